"""Deliver to a real DICOMweb service: Orthanc with Debian's plugin. What it answers is what we read."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from proxy.deliveries.addresses import Auth, Credentials, Web
from proxy.deliveries.agents import dicomweb
from proxy.deliveries.agents.web.probe import knock
from proxy.deliveries.outcomes import Delivered, Outcome, Refused, TryLater
from proxy.deliveries.parcel import Item, Parcel
from tests import cast
from tests.deliveries.agents.parcels import Ear, parcel_of
from tests.peers.orthanc import Orthanc
from tests.tools import orthanc_plugin

pytestmark = [pytest.mark.peers]

LOGIN = Credentials(Auth.BASIC, "s3cret", user="postern")


def orthanc_of(folder: Path, login: tuple[str, str] | None = None, **more: object) -> Orthanc:
    settings = {"Plugins": [orthanc_plugin("libOrthancDicomWeb.so")], "DicomWeb": {"Enable": True}, **more}
    return Orthanc(folder, settings, login)


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    one = orthanc_of(tmp_path / "orthanc")
    yield one
    one.close()


def images(folder: Path, count: int) -> tuple[Item, ...]:
    folder.mkdir(exist_ok=True)
    items = []
    for number in range(count):
        image = cast.ct(instance=number + 1)
        path = cast.save(image, folder)
        items.append(
            Item(
                number,
                image.SOPClassUID,
                image.SOPInstanceUID,
                ExplicitVRLittleEndian,
                path,
                image.SeriesInstanceUID,
            )
        )
    return tuple(items)


def deliver(parcel: Parcel) -> tuple[Outcome, list[int]]:
    ear = Ear()
    return dicomweb.deliver(parcel, ear.acknowledge, ear.keep_going), sorted(ear.heard)


def url_of(orthanc: Orthanc) -> str:
    return f"http://127.0.0.1:{orthanc.http_port}/dicom-web"


def test_a_study_arrives_whole_and_a_second_time_changes_nothing(tmp_path: Path, orthanc: Orthanc) -> None:
    parcel = parcel_of(images(tmp_path / "store", 70), Web(url_of(orthanc)))
    for _ in range(2):
        assert deliver(parcel) == (Delivered(), list(range(70)))
        stored = {dcmread(BytesIO(file)).SOPInstanceUID for file in orthanc.files()}
        assert stored == {item.uid for item in parcel.items}


def test_what_is_no_dicom_is_refused_alone(tmp_path: Path, orthanc: Orthanc) -> None:
    items = images(tmp_path / "store", 4)
    items[2].path.write_bytes(b"this is no image" * 100)
    outcome, heard = deliver(parcel_of(items, Web(url_of(orthanc))))
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("1 of 4 images refused")
    assert heard == [0, 1, 3]
    stored = {dcmread(BytesIO(file)).SOPInstanceUID for file in orthanc.files()}
    assert stored == {items[number].uid for number in heard}


def test_who_it_does_not_know_hears_so_and_who_it_knows_delivers(tmp_path: Path) -> None:
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"postern": "s3cret"}}
    orthanc = orthanc_of(tmp_path / "orthanc", login=("postern", "s3cret"), **users)
    try:
        items = images(tmp_path / "store", 2)
        outcome, heard = deliver(parcel_of(items, Web(url_of(orthanc))))
        assert isinstance(outcome, TryLater)
        assert "credentials (401)" in outcome.reason
        assert heard == []
        assert deliver(parcel_of(items, Web(url_of(orthanc), LOGIN))) == (Delivered(), [0, 1])
        assert knock(Web(url_of(orthanc), LOGIN), "/studies?limit=1").answers
        assert not knock(Web(url_of(orthanc)), "/studies?limit=1").answers
    finally:
        orthanc.close()


def test_another_address_of_the_same_server_is_no_service(tmp_path: Path, orthanc: Orthanc) -> None:
    parcel = parcel_of(images(tmp_path / "store", 1), Web(url_of(orthanc).replace("dicom-web", "nowhere")))
    outcome, heard = deliver(parcel)
    assert isinstance(outcome, TryLater)
    assert "check its url" in outcome.reason
    assert heard == []
