"""Orthanc asks us and takes images home by C-MOVE: pseudonymous as ARCHIVE, with real names as a node of the clinic."""

import json
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.peers.orthanc import Orthanc
from tests.reception.sending import encode

pytestmark = [pytest.mark.journey, pytest.mark.peers]

SITE = """
projects: [{{name: default}}]
nodes:
- {{name: CT, ae_title: CT_EAST, host: 127.0.0.1, port: 104, may: [store]}}
- {{name: READER, ae_title: {ae}, host: 127.0.0.1, port: {port}, may: [find, retrieve]{more}}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: []}}]
"""
CLINIC = (
    ", view: identified, networks: [127.0.0.1/32], projects: [default]"
    ", grant: {purpose: treatment, until: 2099-01-01}"
)


@pytest.fixture
def reader(house: House, tmp_path: Path) -> Iterator[Orthanc]:
    postern = {"AET": cast.DICOMRCV, "Host": "127.0.0.1", "Port": house.dicom_port}
    orthanc = Orthanc(tmp_path / "orthanc", {"DicomModalities": {"POSTERN": postern}})
    yield orthanc
    orthanc.close()


def post(orthanc: Orthanc, path: str, body: object) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http_port}{path}", data=data, method="POST")
    with urllib.request.urlopen(request, timeout=150) as answer:
        return json.loads(answer.read())


def opened(house: House, reader: Orthanc, more: str, tmp_path: Path) -> None:
    """A house that listens, with two images of Ada and one of Ben."""
    (house.folder / "site.yaml").write_text(SITE.format(ae=cast.ARCHIVE, port=reader.dicom_port, more=more))
    result = house.command("configure", str(house.folder / "site.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    ada, ben = cast.StudyPlan(), cast.StudyPlan(patient=cast.BEN, number=2)
    files = []
    for number, image in enumerate([cast.ct(ada, instance=1), cast.ct(ada, instance=2), cast.ct(ben)]):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(cast.part10(image))
    assert journey.sent_safely(house, *files)


def asked(reader: Orthanc, **query: str) -> tuple[str, list[dict[str, Any]]]:
    found = post(reader, "/modalities/POSTERN/query", {"Level": "Study", "Query": query})
    answers = reader.get(f"/queries/{found['ID']}/answers")
    return found["ID"], [
        reader.get(f"/queries/{found['ID']}/answers/{one}/content?simplify") for one in answers
    ]


@pytest.mark.timeout(600)
def test_a_reader_outside_sees_pseudonyms_and_takes_clean_images(
    house: House, reader: Orthanc, tmp_path: Path
) -> None:
    opened(house, reader, "", tmp_path)
    _, nobody = asked(reader, PatientName="EXAMPLE*")
    assert nobody == []
    query, studies = asked(reader, PatientID="", StudyInstanceUID="", NumberOfStudyRelatedInstances="")
    assert sorted(int(one["NumberOfStudyRelatedInstances"]) for one in studies) == [1, 2]
    assert not [needle for needle in cast.NEEDLES if needle in json.dumps(studies)]
    post(reader, f"/queries/{query}/retrieve", {"TargetAet": cast.ARCHIVE, "Synchronous": True})
    journey.wait_until(lambda: len(reader.get("/instances")) == 3, "all are there")
    for data in reader.files():
        assert not [needle for needle in cast.NEEDLES if needle.encode() in data]


@pytest.mark.timeout(600)
def test_promise_6_a_clinic_asks_by_name_and_gets_what_was_sent(
    house: House, reader: Orthanc, tmp_path: Path
) -> None:
    opened(house, reader, CLINIC, tmp_path)
    query, studies = asked(reader, PatientName="exampleova*", StudyInstanceUID="", PatientID="", StudyDate="")
    [study] = studies
    plan = cast.StudyPlan()
    assert (study["PatientID"], study["StudyInstanceUID"], study["StudyDate"]) == (
        cast.ADA.id,
        plan.uid,
        plan.date,
    )
    post(reader, f"/queries/{query}/retrieve", {"TargetAet": cast.ARCHIVE, "Synchronous": True})
    journey.wait_until(lambda: len(reader.get("/instances")) == 2, "both are there")
    sent = {image.SOPInstanceUID: image for image in (cast.ct(plan, instance=1), cast.ct(plan, instance=2))}
    for data in reader.files():
        image = dcmread(BytesIO(data))
        assert encode(image) == encode(sent[image.SOPInstanceUID])
