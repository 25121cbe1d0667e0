"""What a file is, from its first megabyte: Part 10, a data set without File Meta, a DICOMDIR, or no DICOM.

Archives older than Part 10 hold bare data sets. Nothing in them names the encoding, so it is guessed from the first
elements and then proved: the engine must be able to walk the whole of it. What can be taken for DICOM but not proved
is refused with a reason, never called "not DICOM".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from proxy.deid.errors import Unreadable
from proxy.deid.part10 import split

FIRST: Final = 1 << 20
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
MEDIA_DIRECTORY: Final = b"\2\0\2\0UI\x14\x001.2.840.10008.1.3.10"  # (0002,0002) says so
VRS: Final = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ UC UN UR UT SV UV".split())
PREAMBLE: Final = 128
TRACES: Final = (
    b"\x08\0\x05\0CS",
    b"\x08\0\x16\0UI",
    b"\x08\0\x18\0UI",
    b"\x08\0\x16\0\x1a\0\0\0001.2.840.10008.",
)
TRACES_IN: Final = 1024
Order = Literal["little", "big"]
LOOKED_AT: Final = 5  # elements in a row that must look like DICOM, or as many as there are


@dataclass(frozen=True, slots=True)
class Shape:
    """How to read it: the data set begins at `start` and is encoded in `syntax`."""

    syntax: str
    start: int
    bare: bool = False
    directory: bool = False


def recognise(first: bytes) -> Shape | None:
    """None where nothing looks like DICOM. Raises Unreadable for what is DICOM and cannot be followed."""
    if first[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return _part10(first, 0)
    if first[:4] == b"DICM":
        return _part10(bytes(PREAMBLE) + first, PREAMBLE)
    if first[:2] == b"\2\0" and first[4:6] in VRS:
        return _part10(bytes(PREAMBLE) + b"DICM" + first, PREAMBLE + 4)
    return _bare(first)


def _part10(first: bytes, added: int) -> Shape:
    parts = split(first)
    start = len(parts.preamble) + len(parts.meta) - added
    return Shape(parts.syntax, start, directory=MEDIA_DIRECTORY in parts.meta)


def _bare(first: bytes) -> Shape | None:
    for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN):
        if _looks_like(first, syntax):
            return Shape(syntax, 0, bare=True)
    if first[:2] == b"\0\x08" and _looks_like(first, ""):
        raise Unreadable(
            "a data set without File Meta in implicit big endian, which no transfer syntax names"
        )
    if 0 in first[:TRACES_IN] and any(trace in first[:TRACES_IN] for trace in TRACES):
        raise Unreadable("there is DICOM in it, but it does not begin as a file or a data set does")
    return None


def _looks_like(first: bytes, syntax: str) -> bool:
    """The first elements have ascending tags, begin in group 0008 (or 0004) and stay inside of the file."""
    seen = []
    for tag, length in _elements(first, syntax):
        if length > (1 << 31) and length != 0xFFFFFFFF:
            return False
        seen.append(tag)
        if len(seen) == LOOKED_AT or length > len(first):
            break
    return len(seen) > 1 and seen[0] >> 16 in (4, 8) and all(one <= two for one, two in pairwise(seen))


def _elements(first: bytes, syntax: str) -> Iterator[tuple[int, int]]:
    """(tag, length) of the leading elements; ends at the first that cannot be one."""
    order: Order = "big" if syntax in (BIG_ENDIAN, "") else "little"
    at = 0
    while at + 12 <= len(first):
        group, element = (int.from_bytes(first[at + n : at + n + 2], order) for n in (0, 2))
        head, length = _head(first, at, syntax, order)
        if not head or group > 0x7FE0:
            return
        yield group << 16 | element, length
        at += head + length


def _head(first: bytes, at: int, syntax: str, order: Order) -> tuple[int, int]:
    """Size of the element's head, and its length; (0, 0) where no VR stands that must."""
    if syntax in (IMPLICIT, ""):
        return 8, int.from_bytes(first[at + 4 : at + 8], order)
    vr = first[at + 4 : at + 6]
    if vr in LONG_VRS:
        return 12, int.from_bytes(first[at + 8 : at + 12], order)
    return (8, int.from_bytes(first[at + 6 : at + 8], order)) if vr in VRS else (0, 0)
