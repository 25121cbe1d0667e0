"""Orthanc's DICOMweb plugin as the client: it searches here, and retrieves a study into its own store."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests import cast
from tests.dicomweb.conftest import data, fresh, site
from tests.dicomweb.test_giving import PLAN, Shelf, file_of, shelf
from tests.peers.orthanc import Orthanc
from tests.peers.test_orthanc_dicomweb import orthanc_of

__all__ = ["data", "fresh", "shelf", "site"]
pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def orthanc(tmp_path: Path, live_server: Any, shelf: Shelf) -> Iterator[Orthanc]:
    """It logs in as HTTP wants it: anybody, with the node's token as password."""
    url = f"{live_server.url}/dicomweb/"
    servers = {
        name.lower(): {"Url": url, "Username": "orthanc", "Password": shelf.site.token(name)}
        for name in ("VIEWER", "WARD")
    }
    one = orthanc_of(tmp_path / "orthanc", DicomWeb={"Enable": True, "Servers": servers})
    yield one
    one.close()


def asked(orthanc: Orthanc, server: str, what: str, said: dict[str, Any]) -> Any:
    return json.loads(orthanc.post(f"/dicom-web/servers/{server}/{what}", json.dumps(said).encode()))


def test_it_searches_and_retrieves_a_study(orthanc: Orthanc, shelf: Shelf) -> None:
    found = asked(
        orthanc, "viewer", "qido", {"Uri": "/studies", "Arguments": {"PatientID": shelf.study.patient}}
    )
    assert len(found) == 1
    assert shelf.study.uid in json.dumps(found)
    asked(orthanc, "viewer", "retrieve", {"Resources": [{"Study": shelf.study.uid}], "Synchronous": True})
    got = {str(image.SOPInstanceUID): image for image in (dcmread(BytesIO(file)) for file in orthanc.files())}
    assert got == {row.uid: dcmread(file_of(row)) for row in shelf.rows()}


def test_the_ward_s_retrieves_what_was_sent(orthanc: Orthanc, shelf: Shelf) -> None:
    asked(orthanc, "ward", "retrieve", {"Resources": [{"Study": PLAN.uid}], "Synchronous": True})
    assert {str(dcmread(BytesIO(file)).PatientID) for file in orthanc.files()} == {cast.ADA.id}
    assert len(orthanc.get("/instances")) == 3
