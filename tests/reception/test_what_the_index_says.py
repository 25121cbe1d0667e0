"""The index says what the clean image says, and nothing that its recipe removed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from proxy.reception import rows
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Project, Route
from proxy.studies import nested
from proxy.studies.models import Instance, Series, Study
from proxy.studies.nested import LONGEST, MOST_ITEMS, Part
from tests import cast
from tests.reception.sending import send

pytestmark = pytest.mark.django_db


def code(value: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, "99POS", meaning
    return made


def request(number: int) -> Dataset:
    made = Dataset()
    made.ScheduledProcedureStepID, made.RequestedProcedureID = f"SPS-{number}-QQ", f"RP-{number}-QQ"
    made.ScheduledProcedureStepDescription = "Schädel nativ"
    made.RequestedProcedureDescription = f"Follow-up of {cast.ADA.name.split('^')[0]}"
    made.StudyInstanceUID = f"{cast.ROOT}.77.{number}"
    made.RequestedProcedureCodeSequence = [code("CT1", "CT of the head"), code("CT2", "Schädel")]
    made.ScheduledProtocolCodeSequence = []
    return made


EXTRA: dict[str, Any] = {
    "RequestAttributesSequence": [request(1), request(2)],
    "ProcedureCodeSequence": [code("CT1", "CT of the head")],
    "AnatomicRegionSequence": [code("T-D1100", "Schädel")],
    "IssuerOfPatientID": "HOLLYHOCK",
    "PatientAge": "072Y",
    "PatientSize": "1.68",
    "TimezoneOffsetFromUTC": "+0100",
    "Laterality": "L",
    "PerformedProcedureStepStartDate": "20240115",
    "PerformedProcedureStepStartTime": "0930",
    "PerformedProcedureStepID": "PPS-QQ",
    "ProtocolName": "Schädel 3 mm",
    "ManufacturerModelName": "Example 9000",
    "StationName": "CT_EAST",
}
REMOVED = ("-QQ", "HOLLYHOCK", f"{cast.ROOT}.77", cast.HOSPITAL, cast.REFERRER, *cast.ADA.needles)


def image(**extra: Any) -> Dataset:
    return cast.ct(cast.StudyPlan(extra=EXTRA | extra))


@pytest.fixture(params=["basic", "research", "limited"])
def route(request: Any, db: None) -> RouteFacts:
    project = Project.objects.create(name="default", recipe=request.param)
    Route.objects.create(called_ae="DICOMRCV", project=project)
    facts = load_table().route_for("DICOMRCV", "CT_EAST")
    assert facts is not None
    return facts


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_it_says_what_the_clean_image_says(route: RouteFacts, data: Path, syntax: str) -> None:
    assert send(route, image(), syntax) == 0
    [instance] = Instance.objects.all()
    stored = dcmread(data / "studies" / instance.path)
    study, series = Study.objects.get(), Series.objects.get()
    for row, wanted in ((study, rows.STUDY), (series, rows.SERIES)):
        for name, (tag, _) in wanted.items():
            assert getattr(row, name) == _said(stored, tag), name
    assert (instance.pixel_rows, instance.pixel_columns, instance.bits, instance.frames) == (
        "64",
        "64",
        "16",
        "",
    )
    kept = repr([list(model.objects.values()) for model in (Study, Series, Instance)])
    assert not [one for one in REMOVED if one in kept]


def _said(stored: Dataset, tag: int) -> str:
    element = stored.get(tag)
    if tag in nested.SEQUENCES:
        items = [_item(one, nested.SEQUENCES[tag]) for one in (element.value if element else ())]
        return json.dumps(items, ensure_ascii=False, separators=(",", ":")) if items else ""
    return str(element.value) if element is not None and element.value is not None else ""


def _item(item: Dataset, parts: Iterable[Part]) -> dict[str, Any]:
    return {
        one.keyword: [_item(inner, one.parts) for inner in item[one.tag].value]
        if one.parts
        else str(item[one.tag].value or "")
        for one in parts
        if one.tag in item
    }


def test_what_the_sequences_say_is_kept_by_the_recipes_that_keep_them(route: RouteFacts) -> None:
    assert send(route, image()) == 0
    codes = [{"CodeValue": "CT1", "CodingSchemeDesignator": "99POS", "CodeMeaning": "CT of the head"}]
    assert nested.unpacked(Study.objects.get().procedure_codes) == codes
    asked = nested.unpacked(Series.objects.get().request_attributes)
    assert len(asked) == (0 if route.recipe == "basic" else 2)
    for item in asked:
        assert item["RequestedProcedureCodeSequence"] == [
            *codes,
            {**codes[0], "CodeValue": "CT2", "CodeMeaning": "Schädel"},
        ]
        assert "ScheduledProcedureStepID" not in item


@pytest.mark.parametrize("undefined", [True, False])
def test_of_long_sequences_and_values_the_beginning_is_kept(route: RouteFacts, undefined: bool) -> None:
    many = [code(str(n), "M" * 400) for n in range(MOST_ITEMS + 5)]
    sent = image(ProcedureCodeSequence=many, NumberOfFrames="1")
    sent["ProcedureCodeSequence"].is_undefined_length = undefined
    for one in many:
        one.is_undefined_length_sequence_item = undefined
    assert send(route, sent) == 0
    kept = nested.unpacked(Study.objects.get().procedure_codes)
    assert [one["CodeValue"] for one in kept] == [str(n) for n in range(MOST_ITEMS)]
    assert {one["CodeMeaning"] for one in kept} == {"M" * LONGEST}
    assert Instance.objects.get().frames == "1"


def test_no_column_grows_beyond_its_bound(route: RouteFacts) -> None:
    wide = request(1)
    wide.RequestedProcedureCodeSequence = [code(str(n), "M" * 64) for n in range(MOST_ITEMS)]
    assert send(route, image(RequestAttributesSequence=[wide] * MOST_ITEMS)) == 0
    kept = Series.objects.get().request_attributes
    assert len(kept) <= nested.MOST_TEXT
    assert (0 < len(nested.unpacked(kept)) < MOST_ITEMS) == (route.recipe != "basic")


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x02\x00\x02"])
def test_what_is_no_number_is_not_kept(value: bytes) -> None:
    assert rows.number({rows.PIXEL_ROWS: value}, rows.PIXEL_ROWS) == ""


@pytest.mark.parametrize("number", [0, 2, 32, 512, 0x2020, 0x2000, 65535])
def test_numbers_are_kept_whatever_their_bytes_look_like(route: RouteFacts, number: int) -> None:
    sent = image()
    sent.Columns = number
    assert send(route, sent) == 0
    assert Instance.objects.get().pixel_columns == str(number)


@pytest.mark.parametrize("value", [b"no items", b"\xfe\xff\x00\xe0\xff\xff\xff\x7f", b"\xfe\xff\x00\xe0"])
def test_a_sequence_that_cannot_be_read_is_empty(value: bytes) -> None:
    said = rows.columns({0x00400275: value}, rows.SERIES, implicit=False)
    assert said["request_attributes"] == ""
