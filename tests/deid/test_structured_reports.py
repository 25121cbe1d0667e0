"""Clean Structured Content (PS3.15 E.3.4): each row of Table E.3.4-1, what the table does not list, and odd trees."""

import re
from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from proxy.deid import Clean, Engine, deidentify, load_recipe, restore
from proxy.deid.tables import content_items
from tests.deid.build import BIG_ENDIAN, EXPLICIT, IMPLICIT, SUBJECT, ct, encoded, item, read

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
OPTIONS = frozenset(("clean-structured-content",))
TEXT = "Left breast, upper quadrant"
UID = "1.2.3.99.7"
VALUES: dict[str, dict[str, Any]] = {
    "TEXT": {"TextValue": TEXT},
    "PNAME": {"PersonName": "Quennerstedt^Ulla"},
    "DATE": {"Date": "20200229"},
    "TIME": {"Time": "101112"},
    "DATETIME": {"DateTime": "20200229101112"},
    "UIDREF": {"UID": UID},
    "CODE": {"ConceptCodeSequence": item(CodeValue="F", CodingSchemeDesignator="DCM", CodeMeaning="Female")},
    "NUM": {"MeasuredValueSequence": item(NumericValue="42")},
    "CONTAINER": {"ContinuityOfContent": "SEPARATE"},
    **{
        kind: {"ReferencedSOPSequence": item(ReferencedSOPClassUID=COMPREHENSIVE_SR, ReferencedSOPInstanceUID=UID)}
        for kind in ("IMAGE", "COMPOSITE", "WAVEFORM")
    },
}  # fmt: skip
ROWS = sorted((*key, row["basic"]) for key, row in content_items().items())
REFERENCES = ("UIDREF", "IMAGE", "COMPOSITE", "WAVEFORM")


def entry(scheme: str, code: str, kind: str, **more: object) -> Dataset:
    name = item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning="a concept")
    values = {"RelationshipType": "CONTAINS", "ValueType": kind, "ConceptNameCodeSequence": name}
    found: Dataset = item(**{**values, **VALUES[kind], **more})[0]
    return found


def report(*entries: Dataset) -> Dataset:
    ds = ct()
    ds.SOPClassUID, ds.Modality = COMPREHENSIVE_SR, "SR"
    del ds.PixelData
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ContentSequence = Sequence([entry("DCM", "1", "NUM"), *entries])
    return ds


def engine(*options: str) -> Engine:
    basic = load_recipe("basic")
    gates = {**basic.gates, "structured-reports": "clean"}
    return Engine(replace(basic, options=OPTIONS | set(options), gates=gates))


def through(ds: Dataset, *options: str, syntax: str = EXPLICIT) -> tuple[Dataset, Clean]:
    data = encoded(ds, syntax)
    clean = deidentify(data, syntax, engine(*options), lambda facts: SUBJECT)
    out = b"".join(clean.rest)
    assert clean.holds == ()
    assert restore(out, syntax, clean.seal) == data
    return read(out, clean), clean


def only(ds: Dataset) -> Dataset | None:
    """The entry behind the first, if it stayed."""
    return ds.ContentSequence[1] if len(ds.ContentSequence) > 1 else None


def value_of(one: Dataset, kind: str) -> str:
    if kind == "UIDREF":
        return str(one.UID)
    if kind in REFERENCES:
        return str(one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    ((keyword, _),) = VALUES[kind].items()
    return str(one[keyword].value)


@pytest.mark.parametrize(("scheme", "code", "kind", "basic"), ROWS)
def test_each_row_of_the_table_holds(scheme: str, code: str, kind: str, basic: str) -> None:
    stayed = only(through(report(entry(scheme, code, kind)))[0])
    if basic == "X":
        assert stayed is None
        return
    assert stayed is not None
    after = value_of(stayed, kind)
    assert after and after != value_of(entry(scheme, code, kind), kind)


@pytest.mark.parametrize(("scheme", "code", "kind", "basic"), ROWS)
def test_each_option_of_a_row_holds(scheme: str, code: str, kind: str, basic: str) -> None:
    row = content_items()[scheme, code, kind]
    before = value_of(entry(scheme, code, kind), kind)
    for option in row.keys() - {"basic"}:
        stayed = only(through(report(entry(scheme, code, kind)), option)[0])
        assert stayed is not None, option
        assert (value_of(stayed, kind) == before) is (option != "modified-dates" or kind == "TIME"), option


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_what_the_table_does_not_list_goes_the_way_of_its_value(kind: str) -> None:
    stayed = only(through(report(entry("99X", "77", kind)))[0])
    assert stayed is not None
    if kind in ("TEXT", "CODE", "NUM", "CONTAINER"):
        assert value_of(stayed, kind) == value_of(entry("99X", "77", kind), kind)
    else:
        assert value_of(stayed, kind) != value_of(entry("99X", "77", kind), kind)


def test_text_that_stays_is_hunted() -> None:
    stayed = only(through(report(entry("99X", "77", "TEXT", TextValue="Seen with Ada Example, AE-4711")))[0])
    assert stayed is not None and not re.search("Ada|Example|4711", stayed.TextValue)


def test_what_was_removed_is_hunted_in_what_stays() -> None:
    filler = entry("DCM", "121021", "TEXT", TextValue="FN-90817")
    note = entry("99X", "77", "TEXT", TextValue="see order FN-90817 of last week")
    stayed = only(through(report(filler, note))[0])
    assert stayed is not None and "90817" not in stayed.TextValue and "order" in stayed.TextValue


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_the_table_holds_at_every_depth(syntax: str) -> None:
    inner = entry(
        "DCM",
        "121071",
        "TEXT",
        ContentSequence=Sequence([entry("DCM", "121106", "TEXT"), entry("99X", "7", "NUM")]),
    )
    group = entry("99X", "1", "CONTAINER", ContentSequence=Sequence([inner]))
    out, _ = through(report(group), syntax=syntax)
    (kept,) = out.ContentSequence[1].ContentSequence
    assert kept.TextValue == "ANONYMIZED"
    assert [one.ValueType for one in kept.ContentSequence] == ["NUM"]


def test_what_an_item_contains_goes_with_it() -> None:
    gone = entry("DCM", "121000", "CONTAINER", ContentSequence=Sequence([entry("99X", "7", "NUM")]))
    assert only(through(report(gone))[0]) is None


def test_a_sequence_of_which_nothing_stays_goes() -> None:
    group = entry("99X", "1", "CONTAINER", ContentSequence=Sequence([entry("DCM", "121106", "TEXT")]))
    out, _ = through(report(group))
    assert "ContentSequence" not in out.ContentSequence[1]


def test_a_report_keeps_content_whatever_goes() -> None:
    ds = report()
    ds.ContentSequence = Sequence([entry("DCM", "121106", "TEXT")])
    (one,) = through(ds)[0].ContentSequence
    assert (one.ValueType, one.TextValue) == ("TEXT", "ANONYMIZED")


def test_references_by_position_stay_true() -> None:
    pointer = Dataset()
    pointer.RelationshipType, pointer.ReferencedContentItemIdentifier = "SELECTED FROM", [1, 3]
    finding = entry("99X", "77", "NUM", ContentSequence=Sequence([pointer]))
    out, _ = through(report(entry("DCM", "121106", "TEXT"), finding))
    assert [one.ValueType for one in out.ContentSequence] == ["NUM", "TEXT", "NUM"]
    assert out.ContentSequence[1].TextValue == "ANONYMIZED"


def test_items_without_a_concept_or_a_type_do_no_harm() -> None:
    nameless = entry("99X", "77", "TEXT", TextValue="of Ada Example")
    del nameless.ConceptNameCodeSequence
    empty = entry("99X", "77", "TEXT")
    empty.ConceptNameCodeSequence = Sequence()
    out, _ = through(report(nameless, Dataset(), empty))
    assert "Ada" not in out.ContentSequence[1].TextValue
    assert len(out.ContentSequence) == 4


def test_the_method_code_is_claimed_only_with_the_option() -> None:
    out, clean = through(report())
    assert "113104" in clean.report.codes
    assert "113104" in {code.CodeValue for code in out.DeidentificationMethodCodeSequence}
    assert "113104" not in Engine(load_recipe("basic")).compiled.codes
