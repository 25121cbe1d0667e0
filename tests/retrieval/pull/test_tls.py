"""A PACS that speaks TLS only: pulled from by C-GET over our association and by C-MOVE to our TLS port, both mutual."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from proxy.network.tls import TlsFiles
from proxy.routing.site import apply, read
from proxy.studies.models import Instance
from tests import cast
from tests.network.certificates import Authority
from tests.peers.orthanc import Orthanc
from tests.retrieval.pull.pacs import FIND, HERE, MOVE, Pacs, serving
from tests.retrieval.pull.test_pull import ONE, SITE, images, listening, nobody_is_named, run

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def ours(authority: Authority, settings: Any) -> Iterator[TlsFiles]:
    files = authority.issue("POSTERN")
    settings.DICOM_TLS_CERTIFICATE = str(files.certificate)
    settings.DICOM_TLS_KEY = str(files.key)
    settings.DICOM_TLS_AUTHORITIES = str(files.authorities)
    yield replace(files, mutual=True)


def contexts(files: TlsFiles) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A peer that shows its certificate either way, and wants to see the other's."""
    made = []
    for purpose in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(purpose)
        context.load_cert_chain(str(files.certificate), str(files.key))
        context.load_verify_locations(str(files.authorities))
        context.verify_mode = ssl.CERT_REQUIRED
        made.append(context)
    return made[0], made[1]


def site(port: int, ae_title: str = "PACS") -> None:
    said = SITE.format(port=port).replace("ae_title: PACS", f"ae_title: {ae_title}")
    apply(read(said.replace("may: []}", "may: [], tls: true}", 1)), "test")


def whole(way: str, code: int, said: str) -> None:
    assert code == 0, said
    assert "1 of 1 studies are here: 6 of 6 images." in said
    assert Instance.objects.count() == 6
    nobody_is_named(said)


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_study_comes_over_tls(data: Path, authority: Authority, ours: TlsFiles, way: str) -> None:
    pacs = Pacs(images(ONE), tls=contexts(authority.issue("PACS")))
    with listening(ours) as port, serving(pacs):
        pacs.knows["DICOMRCV"] = port
        site(pacs.port)
        whole(way, *run("--study", ONE.uid, "--by", way))
    assert pacs.count("move") == ({"IMAGE": 1, "STUDY": 1} if way == "move" else {})


def test_without_c_get_it_falls_back_to_c_move_over_tls(
    data: Path, authority: Authority, ours: TlsFiles
) -> None:
    pacs = Pacs(images(ONE), services=(FIND, MOVE), tls=contexts(authority.issue("PACS")))
    with listening(ours) as port, serving(pacs):
        pacs.knows["DICOMRCV"] = port
        site(pacs.port)
        whole("move", *run("--patient", cast.ADA.id))


def test_a_dispatch_goes_over_tls(data: Path, authority: Authority, ours: TlsFiles) -> None:
    pacs = Pacs(images(ONE), tls=contexts(authority.issue("PACS")))
    reading = Pacs([], tls=contexts(authority.issue("READING")))
    with serving(pacs), serving(reading):
        pacs.knows["READING"] = reading.port
        site(pacs.port)
        code, said = run("--to", "READING", "--study", ONE.uid, command="dispatch")
    assert code == 0, said
    assert "1 of 1 studies are moved: 6 of 6 images." in said


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_pacs_of_another_authority_is_not_asked_anything(
    data: Path, tmp_path: Path, ours: TlsFiles, way: str
) -> None:
    stranger = Authority(tmp_path / "other", "Other Authority").issue("PACS")
    pacs = Pacs(images(ONE), tls=contexts(stranger))
    with serving(pacs):
        site(pacs.port)
        with pytest.raises(CommandError, match="certificate"):
            run("--study", ONE.uid, "--by", way)
    assert pacs.asked == []


def test_a_pacs_that_does_not_know_our_authority_says_so(
    data: Path, tmp_path: Path, authority: Authority, ours: TlsFiles
) -> None:
    other = Authority(tmp_path / "other", "Other Authority")
    pacs = Pacs(images(ONE), tls=contexts(replace(authority.issue("PACS"), authorities=other.file)))
    with serving(pacs):
        site(pacs.port)
        with pytest.raises(CommandError, match=r"certificate|TLS"):
            run("--study", ONE.uid)
    assert pacs.asked == []


def test_without_tls_nothing_is_said_to_such_a_pacs(data: Path, authority: Authority, ours: TlsFiles) -> None:
    pacs = Pacs(images(ONE), tls=contexts(authority.issue("PACS")))
    with serving(pacs):
        apply(read(SITE.format(port=pacs.port)), "test")
        with pytest.raises(CommandError):
            run("--study", ONE.uid)
    assert pacs.asked == []


@pytest.mark.peers
@pytest.mark.parametrize("way", ["get", "move"])
def test_orthanc_over_tls(data: Path, tmp_path: Path, authority: Authority, ours: TlsFiles, way: str) -> None:
    theirs = authority.issue("ORTHANC")
    with listening(ours) as port:
        us = {"AET": "DICOMRCV", "Host": HERE, "Port": port, "UseDicomTls": True}
        orthanc = Orthanc(
            tmp_path / "orthanc",
            {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(theirs.certificate),
                "DicomTlsPrivateKey": str(theirs.key),
                "DicomTlsTrustedCertificates": str(authority.file),
                "DicomModalities": {"us": us},
                "DicomAlwaysAllowFind": True,
                "DicomAlwaysAllowGet": True,
                "DicomAlwaysAllowMove": True,
            },
        )
        try:
            for image in images(ONE):
                orthanc.post("/instances", cast.part10(image))
            site(orthanc.dicom_port, cast.ARCHIVE)
            whole(way, *run("--study", ONE.uid, "--by", way))
        finally:
            orthanc.close()
