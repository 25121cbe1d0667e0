"""Sequence matching (PS3.4 C.2.2.2.6): what a key means, which items it finds, and what of them is answered."""

import json
import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from proxy.network import identifier
from proxy.network.finding import STUDY_ROOT_FIND, Extended, Query, Refused
from proxy.network.identifier import DEEPEST, Element, Key
from proxy.network.messages import Malformed
from proxy.retrieval.query.attributes import BY_KEYWORD
from proxy.retrieval.query.keys import Senseless
from proxy.retrieval.query.reading import Checked, check
from proxy.retrieval.query.within import Within, read_within
from proxy.studies import nested
from tests.retrieval.query import filled, oracle, wire

REQUESTS = BY_KEYWORD["RequestAttributesSequence"]
CODES = BY_KEYWORD["ProcedureCodeSequence"]
COLUMNS = [json.dumps(one) for one in filled.REQUESTS]


def key(
    items: list[Dataset], *, implicit: bool = False, undefined: bool = False, tag: int = REQUESTS.tag
) -> Key:
    made = Dataset()
    made.add_new(tag, "SQ", items)
    made[tag].is_undefined_length = undefined
    for item in items:
        item.is_undefined_length_sequence_item = undefined
    data = encode(made, implicit, True)
    assert data is not None
    return identifier.read(data, implicit=implicit)[0]


def item(**said: Any) -> Dataset:
    made = Dataset()
    for one in said.items():
        made.add(wire.element(*one))
    return made


def asked(**said: Any) -> Within:
    return read_within(REQUESTS, key([item(**said)]), b"ISO_IR 192")[0]


def answered(within: Within, column: str) -> list[Dataset]:
    """As a peer reads it."""
    element = Element(REQUESTS.tag, "SQ", "", within.answered(column))
    read = [
        decode(BytesIO(identifier.encoded([element], implicit=implicit)), implicit, True)
        for implicit in (False, True)
    ]
    assert read[0].RequestAttributesSequence == read[1].RequestAttributesSequence
    assert ("SpecificCharacterSet" in read[0]) == (not str(read[0]).isascii())
    return list(read[0].RequestAttributesSequence)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
def test_keys_are_understood_however_they_are_encoded(implicit: bool, undefined: bool) -> None:
    said = item(ScheduledProcedureStepID="SPS-1", RequestedProcedureCodeSequence={"CodeValue": "CT*"})
    within, less = read_within(REQUESTS, key([said], implicit=implicit, undefined=undefined), b"")
    assert not less
    assert not within.is_universal
    assert [within.matches(column) for column in COLUMNS] == [False, False, False, False]
    said = item(ScheduledProcedureStepID="SPS-2", RequestedProcedureCodeSequence={"CodeValue": "CT*"})
    within, _ = read_within(REQUESTS, key([said], implicit=implicit, undefined=undefined), b"")
    assert [within.matches(column) for column in COLUMNS] == [False, True, False, False]


@pytest.mark.parametrize("items", [[], [Dataset()]])
def test_an_empty_key_asks_for_all_of_it(items: list[Dataset]) -> None:
    within, less = read_within(REQUESTS, key(items), b"")
    assert (within.is_universal, less) == (True, False)
    assert all(map(within.matches, ["", *COLUMNS]))
    assert answered(within, "") == []
    first, second = answered(within, COLUMNS[1])
    assert (first.ScheduledProcedureStepID, first.RequestedProcedureID) == ("SPS-1", "RP-2")
    assert "RequestedProcedureCodeSequence" not in first
    assert [one.CodeMeaning for one in second.RequestedProcedureCodeSequence] == [
        "CT of the thorax",
        "CT des Schädels",
    ]


def test_only_items_that_match_are_answered_and_only_what_was_asked_for() -> None:
    [only] = answered(asked(ScheduledProcedureStepID="SPS-1", AccessionNumber=""), COLUMNS[1])
    assert (only.ScheduledProcedureStepID, only.AccessionNumber) == ("SPS-1", "")
    assert len(only) == 2
    within = asked(RequestedProcedureCodeSequence={"CodeMeaning": "*Schädels", "CodeValue": ""})
    [only] = answered(within, COLUMNS[1])
    assert [one.CodeValue for one in only.RequestedProcedureCodeSequence] == ["CT2"]
    assert answered(within, COLUMNS[0]) == []


def test_all_keys_have_to_match_in_one_item() -> None:
    within = asked(ScheduledProcedureStepID="SPS-1", RequestedProcedureID="RP-1")
    assert [within.matches(column) for column in COLUMNS] == [True, False, False, False]


def test_what_is_not_kept_of_items_is_said_to_be_less_and_not_matched() -> None:
    within, less = read_within(REQUESTS, key([item(ReasonForTheRequestedProcedure="X")]), b"")
    assert less
    assert within.is_universal
    assert [len(one) for one in answered(within, COLUMNS[0])] == [0]
    deep = item(RequestedProcedureCodeSequence={"ContextUID": "1.2", "CodeValue": ""})
    assert read_within(REQUESTS, key([deep]), b"")[1]


BAD: list[tuple[int, bytes]] = [
    (REQUESTS.tag, b"no item"),
    (REQUESTS.tag, struct.pack("<HHL", 0xFFFE, 0xE000, 100)),
    (REQUESTS.tag, struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)),
    (REQUESTS.tag, struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 2),
    (REQUESTS.tag, struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 100_000),
]


@pytest.mark.parametrize(("tag", "value"), BAD, ids=range(len(BAD)))
def test_what_is_no_item_or_more_than_one_is_refused_and_the_key_is_named(tag: int, value: bytes) -> None:
    with pytest.raises(Senseless, match="RequestAttributesSequence"):
        read_within(REQUESTS, Key(tag, "SQ", value, is_sequence=True), b"")


@pytest.mark.parametrize(
    "said",
    [
        Key(0x00080020, "SQ", b"", is_sequence=True),
        Key(REQUESTS.tag, "LO", b"SPS-1 "),
        key([item(ScheduledProcedureStepID=[str(n) for n in range(101)])]),
        key([item(RequestedProcedureID="X" * 2_000)]),
    ],
    ids=range(4),
)
def test_a_query_with_such_a_key_is_refused(said: Key) -> None:
    keys = {0x00080052: Key(0x00080052, "CS", b"SERIES"), said.tag: said}
    made = check(Query(STUDY_ROOT_FIND, keys, Extended(relational=True)))
    assert isinstance(made, Refused)
    assert made.status == 0xA900


def test_a_sequence_within_an_attribute_that_is_none_is_refused() -> None:
    wrong = Dataset()
    wrong.add_new(0x00400009, "SQ", [Dataset()])
    with pytest.raises(Senseless, match="ScheduledProcedureStepID"):
        read_within(REQUESTS, key([wrong]), b"")


# --- whatever is asked --------------------------------------------------------------------------------

TEXTS = st.sampled_from(
    ["", "*", "SPS-1", "SPS-?", "RP-1", "*2", "CT1", "99*", "Schädel", "CT of the thorax"]
)
CODE = st.dictionaries(
    st.sampled_from(["CodeValue", "CodeMeaning", "CodingSchemeDesignator"]), TEXTS, max_size=3
)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "ScheduledProcedureStepID": TEXTS,
        "RequestedProcedureID": TEXTS,
        "RequestedProcedureDescription": TEXTS,
        "RequestedProcedureCodeSequence": CODE,
        "ScheduledProtocolCodeSequence": CODE,
    },
)
SAID = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "ScheduledProcedureStepID": TEXTS,
            "RequestedProcedureID": TEXTS,
            "RequestedProcedureDescription": TEXTS,
            "RequestedProcedureCodeSequence": st.lists(CODE, max_size=3),
            "ScheduledProtocolCodeSequence": st.lists(CODE, max_size=2),
        },
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(wanted=ITEM, items=SAID)
def test_any_item_finds_what_the_oracle_says(wanted: dict[str, Any], items: list[dict[str, Any]]) -> None:
    within, less = read_within(REQUESTS, key([item(**wanted)]), b"ISO_IR 192")
    column = nested.packed(items)
    assert not less
    image = {"SeriesInstanceUID": "1", "RequestAttributesSequence": column}
    found = oracle.expected([image], "SERIES", {"RequestAttributesSequence": wanted})
    assert within.matches(column) == bool(found)
    if not within.is_universal:
        assert len(within.answered(column)) == len(oracle.fitting(items, wanted))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.booleans(), st.sampled_from([REQUESTS, CODES]))
def test_any_bytes_are_understood_or_refused(value: bytes, implicit: bool, attribute: Any) -> None:
    said = Key(attribute.tag, "SQ", value, is_sequence=True, implicit=implicit)
    assert nested.read(said, attribute.parts, b"") is not None
    try:
        within, _ = read_within(attribute, said, b"")
    except Senseless as senseless:
        assert str(senseless).split()[0].isalpha()
    else:
        assert within.matches("") in (True, False)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 2 * DEEPEST), st.booleans(), st.booleans())
def test_nesting_ends_where_nothing_is_kept(levels: int, implicit: bool, undefined: bool) -> None:
    inner = item(CodeValue="X")
    for _ in range(levels):
        outer = Dataset()
        outer.RequestedProcedureCodeSequence = [inner]
        inner = outer
    try:
        said = key([inner], implicit=implicit, undefined=undefined)
    except Malformed:
        assert undefined
        assert levels >= DEEPEST // 2
        return
    within, less = read_within(REQUESTS, said, b"")
    assert less == (levels > 1)
    assert within.is_universal == (levels > 1)


def test_a_query_says_what_it_wants_of_sequences() -> None:
    said = key([item(ScheduledProcedureStepID="SPS-1")])
    keys = {0x00080052: Key(0x00080052, "CS", b"SERIES"), said.tag: said}
    made = check(Query(STUDY_ROOT_FIND, keys, Extended(relational=True)))
    assert isinstance(made, Checked)
    assert not made.less
    assert made.matchers["RequestAttributesSequence"] is made.within["RequestAttributesSequence"]
    assert "SPS-1" not in repr(made)
