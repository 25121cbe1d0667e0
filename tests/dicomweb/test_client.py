"""A real client over a real socket: what dicomweb-client finds, retrieves and reads."""

import socket
import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from django.test import Client
from PIL import Image as Pillow
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from proxy.audit.models import Entry
from tests.cast import ADA
from tests.dicomweb.conftest import Site
from tests.dicomweb.test_giving import PLAN, Shelf, file_of, shelf

__all__ = ["shelf"]
pytestmark = [pytest.mark.django_db(transaction=True)]


def client(live_server: Any, site: Site, node: str) -> DICOMwebClient:
    headers = {"Authorization": f"Bearer {site.token(node)}"}
    return DICOMwebClient(f"{live_server.url}/dicomweb", headers=headers)


@pytest.fixture
def viewer(live_server: Any, shelf: Shelf) -> DICOMwebClient:
    return client(live_server, shelf.site, "VIEWER")


@pytest.fixture
def ward(live_server: Any, shelf: Shelf) -> DICOMwebClient:
    return client(live_server, shelf.site, "WARD")


def test_it_finds(viewer: DICOMwebClient, shelf: Shelf) -> None:
    study = shelf.study
    found = viewer.search_for_studies(
        search_filters={"PatientID": study.patient}, fields=["StudyDescription"]
    )
    assert [one["0020000D"]["Value"] for one in found] == [[study.uid]]
    assert len(viewer.search_for_studies(limit=1)) == 1
    assert len(viewer.search_for_studies(get_remaining=True, limit=1)) == 2
    assert len(viewer.search_for_series(study.uid)) == 2
    assert len(viewer.search_for_instances(study.uid, search_filters={"Modality": "CT"})) == 2
    assert viewer.search_for_studies(search_filters={"PatientID": "NOBODY"}) == []


def test_it_retrieves(viewer: DICOMwebClient, shelf: Shelf) -> None:
    rows = shelf.rows()
    files = [dcmread(file_of(row)) for row in rows]
    got = viewer.retrieve_study(shelf.study.uid)
    assert got == files
    assert [one.file_meta.TransferSyntaxUID for one in got] == [ExplicitVRLittleEndian] * 3
    assert list(viewer.iter_series(shelf.study.uid, rows[0].series.uid)) == files[:2]
    assert viewer.retrieve_instance(shelf.study.uid, rows[0].series.uid, rows[0].uid) == files[0]


def test_it_reads_metadata_and_bulk_data(viewer: DICOMwebClient, shelf: Shelf) -> None:
    row = shelf.rows()[0]
    names = shelf.study.uid, row.series.uid, row.uid
    assert len(viewer.retrieve_study_metadata(names[0])) == 3
    assert len(viewer.retrieve_series_metadata(*names[:2])) == 2
    said = viewer.retrieve_instance_metadata(*names)
    pixels = dcmread(file_of(row)).PixelData
    where = said["7FE00010"]["BulkDataURI"]
    if "localhost/" in where:  # this client leaves the port out of its Host
        where = viewer.base_url + where.partition("/dicomweb")[2]
    assert viewer.retrieve_bulkdata(where) == [pixels]


def test_it_reads_frames_and_sees_pictures(viewer: DICOMwebClient, shelf: Shelf) -> None:
    row = shelf.rows()[0]
    names = shelf.study.uid, row.series.uid, row.uid
    pixels = dcmread(file_of(row)).PixelData
    assert viewer.retrieve_instance_frames(*names, frame_numbers=[1]) == [pixels]
    octets = ("application/octet-stream",)
    assert viewer.retrieve_instance_frames(*names, frame_numbers=[1], media_types=octets) == [pixels]
    png = viewer.retrieve_instance_rendered(
        *names, media_types=("image/png",), params={"window": "40,400,linear"}
    )
    assert np.asarray(Pillow.open(BytesIO(png))).shape == (64, 64)
    jpeg = viewer.retrieve_instance_frames_rendered(*names, frame_numbers=[1], media_types=("image/jpeg",))
    assert Pillow.open(BytesIO(jpeg)).size == (64, 64)
    assert Pillow.open(BytesIO(viewer.retrieve_series_rendered(*names[:2]))).size == (64, 64)


def test_the_ward_gets_what_was_sent(ward: DICOMwebClient, shelf: Shelf) -> None:
    [found] = ward.search_for_studies(search_filters={"PatientName": "Exampleova*"})
    assert found["00100020"]["Value"] == [ADA.id]
    got = ward.retrieve_study(PLAN.uid)
    assert {str(one.PatientName) for one in got} == {ADA.name}
    assert len(got) == 3
    assert Entry.objects.filter(action="identity.instance-restored").count() == 1


def test_who_hangs_up_frees_their_place(live_server: Any, shelf: Shelf) -> None:
    """As often as there are places, and once more."""
    host, port = live_server.url.removeprefix("http://").split(":")
    headers = f"Authorization: Bearer {shelf.site.token('VIEWER')}\r\nHost: {host}\r\n"
    for _ in range(12):
        with socket.create_connection((host, int(port))) as line:
            line.sendall(f"GET /dicomweb/studies/{shelf.study.uid} HTTP/1.0\r\n{headers}\r\n".encode())
            assert line.recv(10)
    end = time.monotonic() + 60
    answer = Client().get(f"/dicomweb/studies/{shelf.study.uid}", **shelf.site.headers("VIEWER"))
    while answer.status_code == 503 and time.monotonic() < end:
        time.sleep(0.1)
        answer = Client().get(f"/dicomweb/studies/{shelf.study.uid}", **shelf.site.headers("VIEWER"))
    assert answer.status_code == 200
    assert answer.getvalue()
