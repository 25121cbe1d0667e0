"""Part 10 files: split one into its parts; write the meta group of a clean one."""

from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from proxy.deid.errors import Unreadable
from proxy.deid.splice import make_element

IMPLEMENTATION_CLASS_UID: Final = "2.25.120679641893348774678317643276973692606"
IMPLEMENTATION_VERSION: Final = "POSTERN_1"
_PREAMBLE: Final = 128
_ELEMENT: Final = Struct("<HH2sH").unpack_from
_LONG: Final = frozenset((b"OB", b"UN", b"UT", b"SQ", b"OW", b"UC", b"UR"))


class Part10(NamedTuple):
    preamble: bytes
    meta: bytes  # "DICM" and group 2, as they stand
    syntax: str
    dataset: memoryview

    @property
    def head(self) -> bytes:
        """All before the data set."""
        return self.preamble + self.meta


def split(data: "bytes | memoryview") -> Part10:
    """Raises Unreadable if this is no Part 10 file."""
    view = memoryview(data)
    if bytes(view[_PREAMBLE : _PREAMBLE + 4]) != b"DICM":
        raise Unreadable("no Part 10 file: DICM is missing")
    start, end = _PREAMBLE + 4, len(view)
    pos, syntax = start, ""
    while pos + 8 <= end:
        group, element, vr, length = _ELEMENT(view, pos)
        if group != 2:
            break
        value = pos + 8
        if vr in _LONG:
            value = pos + 12
            length = int.from_bytes(view[pos + 8 : value], "little")
        if value + length > end:
            raise Unreadable(f"the file meta ends early at offset {pos}")
        if element == 0x0010:
            syntax = bytes(view[value : value + length]).decode("ascii", "replace").strip(" \0")
        pos = value + length
    if not syntax:
        raise Unreadable("the file meta names no transfer syntax")
    return Part10(bytes(view[:_PREAMBLE]), bytes(view[_PREAMBLE:pos]), syntax, view[pos:])


_VERSION: Final = make_element(0x00020001, "OB", b"\0\1", True)
_OURSELVES: Final = make_element(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode(), True) + make_element(
    0x00020013, "SH", IMPLEMENTATION_VERSION.encode(), True
)


_START: Final = b"\0" * _PREAMBLE + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00"  # up to the group's length


def make_meta(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """A zero preamble, DICM, and a new group 2 that names no source."""
    instance = make_element(0x00020003, "UI", sop_instance.encode("ascii", "replace"), True)
    group = _VERSION + _uid(0x00020002, sop_class) + instance + _uid(0x00020010, syntax) + _OURSELVES
    return _START + len(group).to_bytes(4, "little") + group


@lru_cache(maxsize=512)
def _uid(tag: int, uid: str) -> bytes:
    """Of a class or a syntax: there are few."""
    return make_element(tag, "UI", uid.encode("ascii", "replace"), True)
