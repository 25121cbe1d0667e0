"""`listen` opens a second port for TLS where a certificate is set; `doctor` looks at it."""

import subprocess
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.management import ports
from proxy.management.doctor.findings import Finding
from proxy.management.doctor.wire import examine_tls
from proxy.network.tls import TlsFiles
from tests import cast
from tests.cluster import free_port
from tests.house import House
from tests.management.test_serve import is_open, until
from tests.network.certificates import HERE, Authority

pytestmark = pytest.mark.peers


def settings_of(files: TlsFiles, port: int) -> dict[str, str]:
    return {
        "DICOM_TLS_PORT": str(port),
        "DICOM_TLS_CERTIFICATE": str(files.certificate),
        "DICOM_TLS_KEY": str(files.key),
        "DICOM_TLS_AUTHORITIES": str(files.authorities),
    }


def store(port: int, image: Path, *how: object) -> int:
    words = ["storescu", *how, "-aec", "DICOMRCV", "-aet", cast.CT_EAST, HERE, port, image]
    return subprocess.run(
        [str(word) for word in words], capture_output=True, timeout=100, check=False
    ).returncode


def test_images_come_over_both_ports_and_callers_show_who_they_are(house: House, tmp_path: Path) -> None:
    authority, port = Authority(tmp_path / "authority"), free_port()
    ours, scanner = authority.issue("POSTERN"), authority.issue("CT_EAST")
    image = cast.save(cast.ct(), tmp_path)
    house.env.update(settings_of(ours, port))
    house.start("listen")
    until(lambda: is_open(port) and is_open(house.dicom_port))
    shown = ("+tls", scanner.key, scanner.certificate, "+cf", authority.file)
    assert store(port, image, *shown) == 0
    assert store(port, image, "+tla", "+cf", authority.file) != 0  # shows none
    assert store(port, image) != 0  # speaks none
    stranger = Authority(tmp_path / "other", "Other Authority").issue("CT_EAST")
    assert store(port, image, "+tls", stranger.key, stranger.certificate, "+cf", authority.file) != 0
    assert store(house.dicom_port, image) == 0
    assert len(list((house.data / "studies").rglob("*.dcm"))) == 1


def test_a_certificate_that_cannot_be_used_is_said_in_a_sentence(house: House, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    result = house.command("listen", **settings_of(TlsFiles(broken, broken, broken), free_port()))
    assert result.returncode != 0
    assert "broken.pem" in result.stderr and "DICOM_TLS_CERTIFICATE" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_certificate_there_is_no_second_port() -> None:
    assert ports.secure() is None
    assert list(examine_tls()) == []


@pytest.mark.parametrize(
    ("days", "status", "said"),
    [(-2, "FAIL", "has expired"), (12, "warn", "expires in"), (90, "warn", "nothing listens")],
)
def test_doctor_looks_at_the_certificate(
    tmp_path: Path, settings: LazySettings, days: int, status: str, said: str
) -> None:
    files = Authority(tmp_path / "authority").issue("POSTERN", days)
    for name, value in settings_of(files, free_port()).items():
        setattr(settings, name, int(value) if name.endswith("PORT") else value)
    [finding] = found()
    assert said in finding.sentence and status.lower() in str(finding).lower()


def test_doctor_names_what_cannot_be_used(tmp_path: Path, settings: LazySettings) -> None:
    settings.DICOM_TLS_CERTIFICATE = str(tmp_path / "gone.pem")
    [finding] = found()
    assert "gone.pem" in finding.sentence or "key" in finding.sentence


def found() -> list[Finding]:
    return list(examine_tls())
