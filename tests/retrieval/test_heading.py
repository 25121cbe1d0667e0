"""What an original says that it is, read without pydicom where that can be, and then as pydicom would."""

import zlib
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from proxy.retrieval import heading
from tests.deid.build import BIG_ENDIAN, CT, EXPLICIT, IMPLICIT, ct, encoded

DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.70"
NAMES = (CT, "1.2.3.4.5.1")


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def full() -> Dataset:
    """With all that may stand before, but a sequence."""
    ds = ct()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.InstanceCreationDate, ds.InstanceCreationTime, ds.InstanceCreatorUID = "20240101", "101010", "1.2.3"
    ds.RecognitionCode = "ACR-NEMA 2.0"
    return ds


def with_sequence() -> Dataset:
    ds, language = full(), Dataset()
    language.CodeValue, language.CodingSchemeDesignator, language.CodeMeaning = "de", "RFC5646", "German"
    ds.LanguageCodeSequence = Sequence([language])
    return ds


@pytest.fixture
def no_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("pydicom was asked")

    monkeypatch.setattr(heading, "_read", never)


@pytest.mark.usefixtures("no_pydicom")
@pytest.mark.parametrize("make", [ct, full])
def test_what_usually_comes_is_walked(make: Any) -> None:
    assert heading.sop_of(encoded(make()), EXPLICIT) == NAMES
    assert heading.sop_of(encoded(make()), JPEG) == NAMES
    assert heading.sop_of(encoded(make(), IMPLICIT), IMPLICIT) == NAMES


@pytest.mark.parametrize("make", [ct, full, with_sequence])
def test_every_transfer_syntax(make: Any) -> None:
    assert heading.sop_of(encoded(make()), EXPLICIT) == NAMES
    assert heading.sop_of(encoded(make(), IMPLICIT), IMPLICIT) == NAMES
    assert heading.sop_of(encoded(make(), BIG_ENDIAN), BIG_ENDIAN) == NAMES
    assert heading.sop_of(deflated(encoded(make())), DEFLATED) == NAMES


def test_a_uid_of_odd_length_has_lost_its_padding() -> None:
    ds = ct()
    ds.SOPInstanceUID = "1.2.34"
    assert heading.sop_of(encoded(ds), EXPLICIT) == (CT, "1.2.34")
    ds.SOPInstanceUID = "1.2.3"
    assert heading.sop_of(encoded(ds), EXPLICIT) == (CT, "1.2.3")


def uid(tag: bytes, value: bytes) -> bytes:
    return tag + b"UI" + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\x08\x00",
        b"\x08\x00\x18\x00UI",
        uid(b"\x08\x00\x18\x00", b"1.2.3\0"),  # no class
        uid(b"\x08\x00\x16\x00", b"1.2.3\0"),  # no instance
        uid(b"\x10\x00\x18\x00", b"1.2.3\0"),
    ],
)
def test_what_never_was_right_is_somebody_s_trouble(start: bytes) -> None:
    with pytest.raises(Exception, match=r".*"):
        heading.sop_of(start, EXPLICIT)


@pytest.mark.parametrize("value", [b"1.2.3\\1.2.4", b"one.two.three ", b"1.2\xff4", b"1" * 66])
def test_what_is_no_uid_is_left_to_pydicom(value: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heading, "_read", lambda start, syntax: ("asked", "pydicom"))
    start = uid(b"\x08\x00\x16\x00", CT.encode() + b"\0") + uid(b"\x08\x00\x18\x00", value)
    assert heading.sop_of(start, EXPLICIT) == ("asked", "pydicom")
