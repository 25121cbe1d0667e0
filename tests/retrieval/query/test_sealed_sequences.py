"""Whatever a sequence said, column and seal together say it again."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from proxy.deid import Engine, Subject, deidentify, load_recipe, split
from proxy.reception import rows
from proxy.retrieval.query import sealed
from proxy.studies import nested
from proxy.studies.nested import REQUEST, Part
from tests import cast

KEYWORD, TAG = "RequestAttributesSequence", 0x00400275
ENGINES = {name: Engine(load_recipe(name)) for name in ("basic", "research", "minimal")}
SUBJECT = Subject("ANON-AAAAAAAAAAAAAAAA", -10, bytes(32))
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]

TEXT = st.sampled_from(["", "A1", "Schädel", "SPS-1", cast.ADA.name.split("^")[0], "of 1951-03-17", "x" * 63])
NOT_KEPT = Part("ReasonForTheRequestedProcedure", 0x00401002, "LO")


def _item(parts: tuple[Part, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={one.keyword: _value(one) for one in (*parts, NOT_KEPT)})


def _value(part: Part) -> st.SearchStrategy[Any]:
    if part.parts:
        return st.lists(_item(part.parts), max_size=2)
    return st.sampled_from(["", f"{cast.ROOT}.5", "1.2.3"]) if part.vr == "UI" else TEXT


def sequence(items: list[dict[str, Any]], parts: tuple[Part, ...], undefined: bool) -> list[Dataset]:
    made = []
    for said in items:
        item = Dataset()
        item.is_undefined_length_sequence_item = undefined
        for part in (*parts, NOT_KEPT):
            if part.keyword in said:
                value = said[part.keyword]
                if part.parts:
                    value = sequence(value, part.parts, undefined)
                item.add(DataElement(part.tag, part.vr, value, validation_mode=config.IGNORE))
        made.append(item)
    return made


def kept(items: list[dict[str, Any]], parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    return [
        {
            one.keyword: kept(item[one.keyword], one.parts) if one.parts else item[one.keyword]
            for one in parts
            if one.keyword in item
        }
        for item in items
    ]


@pytest.mark.parametrize("recipe", sorted(ENGINES))
@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(_item(REQUEST), max_size=3),
    syntax=st.sampled_from(SYNTAXES),
    undefined=st.booleans(),
)
def test_what_was_sent_is_what_column_and_seal_say(
    recipe: str, items: list[dict[str, Any]], syntax: Any, undefined: bool
) -> None:
    image = cast.ct(size=8)
    image.RequestAttributesSequence = sequence(items, REQUEST, undefined)
    image["RequestAttributesSequence"].is_undefined_length = undefined
    image.file_meta.TransferSyntaxUID = syntax
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    clean = deidentify(split(out.getvalue()).dataset, syntax, ENGINES[recipe], lambda _: SUBJECT)
    implicit = clean.transfer_syntax == ImplicitVRLittleEndian
    column = rows.columns(clean.values, rows.SERIES, implicit=implicit)["request_attributes"]
    assert cast.ADA.name.split("^")[0] not in column
    said = sealed.originals(clean.seal).get(KEYWORD)
    whole = column if said is None else sealed.original(KEYWORD, column, said)
    assert nested.unpacked(whole) == kept(items, REQUEST)


def test_what_cannot_be_read_of_a_seal_changes_nothing() -> None:
    assert sealed.originals(b"no seal") == {}
    assert (
        sealed.original(KEYWORD, '[{"RequestedProcedureID":"1"}]', "{}") == '[{"RequestedProcedureID":"1"}]'
    )
    assert sealed.original(KEYWORD, '[{"RequestedProcedureID":"1"}]', "[]") == ""
    late = sealed.original(KEYWORD, "", '{"1":{"RequestedProcedureID":"2"}}')
    assert nested.unpacked(late) == [{}, {"RequestedProcedureID": "2"}]
