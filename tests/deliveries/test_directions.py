"""From a destination's row to an address: secrets come from the environment, and nothing goes in clear by itself."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.backend.models import Standing
from proxy.deliveries import directions, packing, queue
from proxy.deliveries.addresses import Auth, Credentials, Platform, Trust, Web
from proxy.deliveries.outcomes import Refused, TryLater
from proxy.deliveries.parcel import Parcel
from proxy.routing.models import Destination
from proxy.studies.models import Study
from tests.deliveries.builders import NOW, a_waiting_delivery

pytestmark = pytest.mark.django_db


def a_cloud(**more: object) -> Destination:
    fields = {"url": "https://dicom.example/root", "auth": "bearer", "secret": "DESTINATION_CLOUD", **more}
    return Destination.objects.create(name="cloud", kind="dicomweb", **fields)


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION_CLOUD", "s3cret")
    to = directions.address_of(a_cloud(authorities="/tls/ca.pem"))
    assert to == Web(
        "https://dicom.example/root", Credentials(Auth.BEARER, "s3cret"), Trust(Path("/tls/ca.pem"))
    )
    assert "s3cret" not in repr(to)


def test_or_from_the_file_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("DESTINATION_CLOUD_FILE", str(tmp_path / "secret"))
    to = directions.address_of(a_cloud())
    assert isinstance(to, Web)
    assert to.credentials.secret == "s3cret"


@pytest.mark.parametrize("file", [None, "/nowhere/at/all", "/"])
def test_a_secret_that_is_set_nowhere_keeps_the_delivery_waiting(
    monkeypatch: pytest.MonkeyPatch, file: str | None
) -> None:
    if file:
        monkeypatch.setenv("DESTINATION_CLOUD_FILE", file)
    to = directions.address_of(a_cloud())
    assert isinstance(to, TryLater)
    assert "DESTINATION_CLOUD_FILE" in to.reason


@pytest.mark.parametrize(
    "addresses",
    [
        {"url": "http://dicom.example"},
        {"auth": "oauth2", "token_url": "http://login.example/token", "user": "c"},
    ],
)
def test_nothing_goes_in_clear_unless_somebody_said_so(
    monkeypatch: pytest.MonkeyPatch, addresses: dict[str, str]
) -> None:
    monkeypatch.setenv("DESTINATION_CLOUD", "s3cret")
    cloud = a_cloud(**addresses)
    assert directions.address_of(cloud) == directions.IN_CLEAR
    cloud.insecure = True
    assert isinstance(directions.address_of(cloud), Web)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8042", "http://localhost/x", "http://[::1]:80"])
def test_this_machine_itself_may_be_called_in_clear(url: str) -> None:
    assert directions.address_of(a_cloud(url=url, auth="none", secret="")) == Web(url)


def test_a_delivery_to_the_web_is_packed_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION_CLOUD", "s3cret")
    a_waiting_delivery(to=a_cloud())
    claim = queue.claim(NOW, "t")
    assert claim is not None
    parcel = packing.pack(claim)
    assert isinstance(parcel, Parcel)
    assert isinstance(parcel.to, Web)
    assert "s3cret" not in repr(parcel)


# --- the backend ----------------------------------------------------------------------------------


def the_backend(**more: object) -> Destination:
    return Destination.objects.create(name="backend", kind="backend", **more)


def test_the_backend_is_where_the_settings_say(settings: LazySettings, tmp_path: Path) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = "https://backend.example", "t0ken"
    settings.ARCHIVE_DIR, settings.UPLOAD_MAX_RETRIES, settings.UPLOAD_RETRY_DELAY = tmp_path, 4, 9
    to = directions.address_of(the_backend(authorities="/tls/ca.pem"))
    room = settings.DISK_WATERMARK << 20
    trust = Trust(Path("/tls/ca.pem"))
    assert to == Platform("https://backend.example", "t0ken", "", tmp_path, 4, 9, room, trust)
    assert "t0ken" not in repr(to)


def test_the_workspace_is_the_one_that_the_backend_told_last(settings: LazySettings) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = "https://backend.example", "t0ken"
    Standing.objects.create(pk=1, workspace="ws-7")
    to = directions.address_of(the_backend())
    assert isinstance(to, Platform)
    assert to.workspace == "ws-7"


@pytest.mark.parametrize(("url", "token"), [("", ""), ("", "t0ken"), ("https://backend.example", "")])
def test_without_address_and_token_the_delivery_waits(settings: LazySettings, url: str, token: str) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = url, token
    assert directions.address_of(the_backend()) == directions.NO_BACKEND


def test_the_token_does_not_go_in_clear_unless_somebody_said_so(settings: LazySettings) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = "http://backend.example", "t0ken"
    backend = the_backend()
    assert directions.address_of(backend) == directions.IN_CLEAR
    backend.insecure = True
    assert isinstance(directions.address_of(backend), Platform)


def test_an_archive_is_packed_whole_whatever_was_acknowledged(settings: LazySettings) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = "https://backend.example", "t0ken"
    a_waiting_delivery(to=the_backend())
    Study.objects.update(description="CT Kopf")
    claim = queue.claim(NOW, "t")
    assert claim is not None
    queue.progress(claim, [0, 2])
    parcel = packing.pack(claim)
    assert isinstance(parcel, Parcel)
    assert [item.ordinal for item in parcel.items] == [0, 1, 2]
    assert parcel.description == "CT Kopf"


@pytest.mark.parametrize("kind", ["dicomweb", "backend"])
def test_nothing_goes_to_the_web_where_only_originals_leave(settings: LazySettings, kind: str) -> None:
    """DICOM_ANONYMIZE_PATIENTS=False: no agent of the web could send what was restored, nor may it."""
    settings.DICOM_ANONYMIZE_PATIENTS = False
    settings.ITH_URL, settings.ITH_TOKEN = "https://backend.example", "t0ken"
    web = {"url": "https://dicom.example"} if kind == "dicomweb" else {}
    a_waiting_delivery(to=Destination.objects.create(name="web", kind=kind, **web))
    claim = queue.claim(NOW, "t")
    assert claim is not None
    assert isinstance(packing.pack(claim), Refused)
