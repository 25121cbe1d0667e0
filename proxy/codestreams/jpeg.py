"""JPEG and JPEG-LS: the frame header, which stands before the first scan (ISO/IEC 10918-1 B.2, 14495-1 C.2)."""

from dataclasses import dataclass
from typing import Final

from proxy.codestreams.errors import Unsound

BASELINE: Final = 0xC0
LS: Final = 0xF7
_STARTS: Final = frozenset(
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), LS)
)
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))  # without a length
_SCAN, _HIERARCHY, _PARAMETERS = 0xDA, 0xDE, 0xF8
_OVERSIZE: Final = 4
"""Parameters of JPEG-LS that say another size than the frame header (14495-1 C.2.4.1.4)."""


@dataclass(frozen=True, slots=True)
class Header:
    """`kind`: the marker that it begins with; `bits` of a sample."""

    kind: int
    bits: int
    rows: int
    columns: int
    samples: int


def read(frame: bytes) -> Header:
    """The one that counts for all scans. Raises Unsound."""
    if frame[:2] != b"\xff\xd8":
        raise Unsound("A frame is in no codec that we know.")
    at, found = 2, None
    while len(frame) >= at + 4 and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            break
        if marker == _HIERARCHY or (marker == _PARAMETERS and frame[at + 4 : at + 5] == bytes((_OVERSIZE,))):
            raise Unsound("A frame says its size in more than one place.")
        if marker in _STARTS:
            found = _header(frame, at, found)
        at += 2 + max(int.from_bytes(frame[at + 2 : at + 4], "big"), 2)
    if found is None or frame[at : at + 2] != bytes((0xFF, _SCAN)):
        raise Unsound("A frame does not say how large it is.")
    return found


def _header(frame: bytes, at: int, before: Header | None) -> Header:
    said = frame[at + 4 : at + 10]
    if before is not None or len(said) < 6:
        raise Unsound("A frame says its size in more than one place, or not at all.")
    rows, columns = int.from_bytes(said[1:3], "big"), int.from_bytes(said[3:5], "big")
    return Header(frame[at + 1], said[0], rows, columns, said[5])
