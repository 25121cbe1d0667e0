"""The beginning of a Part 10 file (PS3.10 7.1), read while it comes: which instance it is, and how it is encoded.

pydicom writes no preamble of a data set that it has not read from a file, and so dicomweb-client sends none; what is
left says as much.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

LONGEST: Final = 64 << 10  # bytes, of preamble and file meta
_PREAMBLE: Final = 128
_START: Final = _PREAMBLE + 4
_ELEMENT: Final = Struct("<HH2sH").unpack_from
_LENGTH: Final = Struct("<I").unpack_from
_LONG: Final = frozenset((b"OB", b"UN", b"UT", b"SQ", b"OW", b"UC", b"UR"))
_CLASS, _INSTANCE, _SYNTAX = 0x0002, 0x0003, 0x0010


class NoImage(Exception):
    """The sender's fault: this is no Part 10 file, or one that does not say what it holds."""


@dataclass(frozen=True, slots=True)
class Head:
    """`size`: where the data set begins."""

    sop_class: str
    uid: str
    syntax: str
    size: int


def read(data: bytes, *, is_all: bool) -> Head | None:
    """None: it needs more. Raises NoImage."""
    found: dict[int, str] = {}
    place: int | None = _begin(data)
    while place is not None and not _is_past(data, place):
        place = _element(data, place, found)
    if place is None or (len(data) < place + 2 and not is_all):
        if is_all or len(data) > LONGEST:
            raise NoImage
        return None
    head = Head(found.get(_CLASS, ""), found.get(_INSTANCE, ""), found.get(_SYNTAX, ""), place)
    if not (head.sop_class and head.uid and head.syntax):
        raise NoImage
    return head


def _begin(data: bytes) -> int:
    """Of group 2."""
    if len(data) < _START or data[_PREAMBLE:_START] == b"DICM":
        return _START
    if data.startswith(b"\x02\x00"):
        return 0
    raise NoImage


def _is_past(data: bytes, place: int) -> bool:
    """Behind group 2, or at the end of what is here."""
    return len(data) < place + 2 or data[place : place + 2] != b"\x02\x00"


def _element(data: bytes, place: int, found: dict[int, str]) -> int | None:
    """Where the next one begins; None if this one is not here as a whole."""
    if len(data) < place + 12:
        return None
    _, element, vr, length = _ELEMENT(data, place)
    value = place + 8
    if vr in _LONG:
        value, length = place + 12, _LENGTH(data, place + 8)[0]
    if len(data) < value + length:
        return None
    if element in (_CLASS, _INSTANCE, _SYNTAX):
        found[element] = data[value : value + length].decode("ascii", "replace").strip(" \0")
    return value + int(length)
