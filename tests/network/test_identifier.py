"""A stranger's identifier is read once, or refused; what we answer, pydicom reads as it was meant."""

import struct
import time
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from proxy.network import identifier
from proxy.network.identifier import DEEPEST, LONGEST, MOST_KEYS, Element, encoded, read
from proxy.network.messages import Malformed


def query() -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.QueryRetrieveLevel = "STUDY"
    made.PatientName = "D\xf6*"
    item, inner = Dataset(), Dataset()
    inner.CodeValue = "X"
    item.CodeValue, item.ConceptCodeSequence = "1", [inner]
    made.ProcedureCodeSequence = [item, Dataset()]
    made.StudyInstanceUID = ["1.2", "1.3"]
    return made


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
def test_the_keys_of_the_top_level_are_read(implicit: bool, undefined: bool) -> None:
    made = query()
    for element in (made["ProcedureCodeSequence"], made.ProcedureCodeSequence[0]["ConceptCodeSequence"]):
        element.is_undefined_length = undefined
    data = encode(made, implicit, True)
    assert data is not None
    keys = {key.tag: key for key in read(data, implicit=implicit)}
    assert list(keys) == [int(element.tag) for element in made]
    assert keys[0x00100010].value == b"D\xf6* "[: len(keys[0x00100010].value)]
    assert keys[0x0020000D].value.rstrip(b"\0") == b"1.2\\1.3"
    assert keys[0x0020000D].vr == ("" if implicit else "UI")
    if not implicit or undefined:
        assert keys[0x00081032].is_sequence


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def deep(levels: int) -> bytes:
    opened = struct.pack("<HHL", 0x0008, 0x1032, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return opened * levels


@pytest.mark.parametrize(
    ("data", "implicit"),
    [
        (b"\x08\x00\x52", False),
        (element(0x00080052, b"CS", b"STUDY ")[:-1], False),
        (element(0x00080052, b"\0\0", b"STUDY "), False),
        (element(0x00080052, b"cs", b"STUDY "), False),
        (element(0x00080052, b"CS", b"STUDY ") * 2, False),
        (element(0x00000100, b"US", b"\1\0"), False),
        (b"".join(element(0x00090000 + n, b"LO", b"") for n in range(1, MOST_KEYS + 2)), False),
        (struct.pack("<HH2sHL", 8, 0x1032, b"SQ", 0, 0xFFFFFFFF), False),
        (struct.pack("<HH2sH", 8, 0x1032, b"SQ", 0), False),
        (deep(DEEPEST), True),
        (deep(100_000), True),
        (b"\0" * (LONGEST + 1), True),
    ],
    ids=range(12),
)
def test_what_is_broken_or_too_much_is_refused_at_once(data: bytes, implicit: bool) -> None:
    used = time.thread_time()
    with pytest.raises(Malformed):
        read(data, implicit=implicit)
    assert time.thread_time() - used < 1.0


@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_is_read_or_refused(data: bytes, implicit: bool) -> None:
    try:
        keys = read(data, implicit=implicit)
    except Malformed:
        return
    assert sum(len(key.value) for key in keys) <= len(data)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize(("name", "charset"), [("ANON-A", None), ("D\xf6^膝", "ISO_IR 192")])
def test_an_answer_is_read_by_pydicom_as_it_was_meant(implicit: bool, name: str, charset: str | None) -> None:
    said = [
        Element(0x0020000D, "UI", "1.2.3"),
        Element(0x00100010, "PN", name),
        Element(0x00080061, "CS", "CT\\PT"),
        Element(0x00080020, "DA", ""),
    ]
    answer = decode(BytesIO(encoded(said, implicit=implicit)), implicit, True)
    assert (answer.PatientName, answer.StudyInstanceUID) == (name, "1.2.3")
    assert answer.ModalitiesInStudy == ["CT", "PT"]
    assert answer.StudyDate == ""
    assert answer.get("SpecificCharacterSet") == charset
    assert [one.tag for one in answer] == sorted(one.tag for one in answer)


def test_what_may_be_an_identity_does_not_show_itself() -> None:
    key = identifier.Key(0x00100010, "PN", b"Exampleova")
    assert "Exampleova" not in repr(key) + repr(Element(0x00100010, "PN", "Exampleova"))
