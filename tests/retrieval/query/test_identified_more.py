"""The identified view of what the index has only cleaned: sequences, issuers, physicians, as the seals say it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from proxy.retrieval.query import identified
from proxy.retrieval.query.attributes import BY_KEYWORD
from proxy.routing.match import load_table
from proxy.routing.models import Node, Project, Route
from proxy.studies.nested import Part
from tests import cast
from tests.cast import ADA, BEN, StudyPlan
from tests.reception.sending import send
from tests.reception.test_what_the_index_says import EXTRA
from tests.retrieval.query import wire
from tests.retrieval.query.test_identified import clinic, empty
from tests.retrieval.query.wire import ask

ADAS = StudyPlan(extra=EXTRA)
BENS = StudyPlan(patient=BEN, number=2, date="20240116", accession="ACC-2", extra={"PatientAge": "060Y"})
SYNTAXES = {"basic": None, "research": None, "limited": ImplicitVRLittleEndian}


@pytest.fixture(params=sorted(SYNTAXES))
def port(request: Any, transactional_db: None, data: Path) -> Iterator[int]:
    """Ada's study says all there is to say, Ben's next to nothing; CLIN sees who they are, WARD does not."""
    project = Project.objects.create(name="default", recipe=request.param)
    Route.objects.create(called_ae=wire.CALLED, project=project)
    route = load_table().route_for(wire.CALLED, "CT_EAST")
    assert route is not None
    for image in (cast.ct(ADAS), cast.ct(ADAS, 2), cast.ct(BENS)):
        assert send(route, image, *filter(None, [SYNTAXES[request.param]])) == 0
    clinic("CLIN", [project])
    ward = Node.objects.create(name="WARD", ae_title="WARD", host="127.0.0.1", port=104, may=["find"])
    ward.projects.set([project])
    identified._said.clear()
    with wire.listening() as one:
        yield one


def found(port: int, level: str, calling: str = "CLIN", **keys: Any) -> set[str]:
    unique = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}[level]
    root = "patient" if level == "PATIENT" else "study"
    heard = ask(port, level, calling, root, extended=b"\x01", **{unique: "", **keys})
    assert (heard.status, set(heard.pending) - {0xFF00}) == (0, set())
    return {str(one) for one in heard.values(unique)}


REQUESTS: list[tuple[dict[str, Any], bool]] = [
    ({"ScheduledProcedureStepID": "SPS-1-QQ"}, True),
    ({"ScheduledProcedureStepID": "SPS-*", "RequestedProcedureID": "RP-2-QQ"}, True),
    ({"ScheduledProcedureStepID": "SPS-1-QQ", "RequestedProcedureID": "RP-2-QQ"}, False),
    ({"RequestedProcedureDescription": f"*{ADA.name.split('^')[0]}"}, True),
    ({"StudyInstanceUID": f"{cast.ROOT}.77.2"}, True),
    ({"RequestedProcedureCodeSequence": {"CodeMeaning": "Schädel", "CodeValue": "CT2"}}, True),
    ({"RequestedProcedureCodeSequence": {"CodeMeaning": "Schädel", "CodeValue": "CT1"}}, False),
]


def test_requests_are_matched_as_they_were_sent(port: int) -> None:
    for item, is_found in REQUESTS:
        asked: Any = {"SpecificCharacterSet": "ISO_IR 192", "RequestAttributesSequence": item}
        assert found(port, "SERIES", **asked) == ({ADAS.series_uid()} if is_found else set()), item


def test_promise_1_the_pseudonymous_view_finds_nobody_by_a_request(port: int) -> None:
    for item, _ in REQUESTS[:5]:
        asked: Any = {"RequestAttributesSequence": item}
        assert found(port, "SERIES", "WARD", **asked) == set(), item


def test_sequences_are_answered_as_they_were_sent(port: int) -> None:
    keys: Any = {"StudyInstanceUID": ADAS.uid, "RequestAttributesSequence": {}, "AnatomicRegionSequence": {}}
    [answer] = ask(port, "SERIES", "CLIN", **keys).answers
    sent = cast.ct(ADAS)
    for keyword in ("RequestAttributesSequence", "AnatomicRegionSequence"):
        assert list(answer[keyword].value) == _kept(sent[keyword].value, BY_KEYWORD[keyword].parts)
    [answer] = ask(port, "STUDY", "CLIN", StudyInstanceUID=ADAS.uid, ProcedureCodeSequence="").answers
    assert answer.ProcedureCodeSequence == sent.ProcedureCodeSequence
    [answer] = ask(port, "SERIES", "CLIN", StudyInstanceUID=BENS.uid, RequestAttributesSequence="").answers
    assert len(answer.RequestAttributesSequence) == 0


def _kept(items: Any, parts: tuple[Part, ...]) -> list[Dataset]:
    made = []
    for one in items:
        item = Dataset()
        for part in parts:
            if part.tag in one:
                value = one[part.tag].value
                item.add_new(part.tag, part.vr, _kept(value, part.parts) if part.parts else value)
        made.append(item)
    return made


def test_promise_1_what_a_request_says_does_not_leave_the_house(port: int) -> None:
    keys: Any = {
        "StudyInstanceUID": "",
        "RequestAttributesSequence": "",
        "InstitutionName": "",
        "PerformedProcedureStepID": "",
        "ReferringPhysicianName": "",
        "IssuerOfPatientID": "",
    }
    heard = ask(port, "SERIES", "WARD", extended=b"\x01", **keys)
    needles = ("-QQ", "HOLLYHOCK", f"{cast.ROOT}.77", *cast.NEEDLES)
    assert heard.answers
    assert not [one for answer in heard.answers for one in needles if one in str(answer)]


OF_STUDY: list[dict[str, str]] = [
    {"ReferringPhysicianName": "refer*", "PatientAge": "072Y"},
    {"IssuerOfPatientID": "HOLLYHOCK"},
    {"IssuerOfPatientID": "HOLLY*", "PatientID": ADA.id},
    {"PatientAge": "07*"},
]


def test_studies_are_found_by_what_was_sent(port: int) -> None:
    for keys in OF_STUDY:
        assert found(port, "STUDY", **keys) == {ADAS.uid}, keys


def test_a_patient_id_of_another_issuer_is_somebody_else(port: int) -> None:
    assert found(port, "STUDY", PatientID=ADA.id, IssuerOfPatientID="ELSEWHERE") == set()
    assert found(port, "PATIENT", IssuerOfPatientID="HOLLYHOCK") == {ADA.id}
    assert found(port, "PATIENT", "WARD", IssuerOfPatientID="HOLLYHOCK") == set()


OF_SERIES: list[dict[str, str]] = [
    {"InstitutionName": "Hollyhock*"},
    {"PerformedProcedureStepID": "PPS-QQ"},
    {"PerformedProcedureStepStartDate": "20240115", "PerformedProcedureStepStartTime": "09-10"},
    {"ProtocolName": "Sch*", "StationName": "CT_EAST"},
    {"Laterality": "L", "ManufacturerModelName": "Example 9000", "Manufacturer": "Example*"},
]


def test_series_are_found_by_what_was_sent(port: int) -> None:
    for keys in OF_SERIES:
        assert found(port, "SERIES", StudyInstanceUID=ADAS.uid, **keys) == {ADAS.series_uid()}, keys


def test_the_time_zone_of_what_was_sent_is_said(port: int) -> None:
    [answer] = ask(port, "STUDY", "CLIN", StudyInstanceUID=ADAS.uid, StudyTime="").answers
    assert answer.TimezoneOffsetFromUTC == "+0100"
    [answer] = ask(port, "STUDY", "CLIN", StudyInstanceUID=BENS.uid, StudyTime="").answers
    assert "TimezoneOffsetFromUTC" not in answer


def test_what_was_sent_is_answered(port: int) -> None:
    asked = ["ReferringPhysicianName", "PatientAge", "PatientSize", "PatientWeight", "IssuerOfPatientID"]
    [answer] = ask(port, "STUDY", "CLIN", StudyInstanceUID=ADAS.uid, **empty(*asked)).answers
    sent = cast.ct(ADAS)
    assert {one: answer[one].value for one in asked} == {one: sent[one].value for one in asked}
    keys: Any = {"StudyInstanceUID": ADAS.uid, "SeriesInstanceUID": ADAS.series_uid()}
    pixels = ["Rows", "Columns", "BitsAllocated"]
    for answer in ask(port, "IMAGE", "CLIN", **keys, **empty(*pixels)).answers:
        assert {one: answer[one].value for one in pixels} == {"Rows": 64, "Columns": 64, "BitsAllocated": 16}
