"""A data set as it lies in a file or in memory, walked without being read: where each element's value is.

Bulk values are stepped over, so that of a file of any size only its header is touched. Deflated data are inflated, and
big endian is turned around, before they come here (`sources.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from proxy.deid.dictionary import vr_of

OPEN: Final = 0xFFFFFFFF
DEEPEST: Final = 64
ITEM, ITEM_ENDS, SEQUENCE_ENDS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_LONG: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_SIGNED_OR_NOT: Final = frozenset(
    {0x00280106, 0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120}
)
"""US or SS, by Pixel Representation, where the encoding does not say which (PS3.5 A.1)."""
_PIXEL_REPRESENTATION: Final = 0x00280103
_heads: Final = Struct("<HH2sH").unpack_from
_implicit: Final = Struct("<HHI").unpack_from
_long: Final = Struct("<I").unpack_from


class Broken(Exception):
    """The image's fault: the data set ends where it should not, or lies about a length."""


@dataclass(frozen=True, slots=True)
class Element:
    """`at` and `end` of its value; `items` of a sequence. `is_open`: of undefined length, as fragments are."""

    tag: int
    vr: str
    at: int
    end: int
    items: "tuple[tuple[Element, ...], ...] | None" = None
    is_open: bool = False


@dataclass(slots=True)
class _Walk:
    data: memoryview
    explicit: bool
    signed: bool = False

    def until(self, at: int, end: int, depth: int, *, is_open: bool = False) -> tuple[list[Element], int]:
        found: list[Element] = []
        while at + 8 <= end:
            element, at = self._element(at, end, depth)
            if element is None:
                if is_open:
                    return found, at
                raise Broken("a delimiter where none belongs")
            if element.tag & 0xFFFF:
                found.append(element)
        if is_open or at != end:
            raise Broken("a data set ends early")
        return found, at

    def _element(self, at: int, end: int, depth: int) -> tuple[Element | None, int]:
        tag, vr, length, value = self._head(at)
        if tag in (ITEM_ENDS, SEQUENCE_ENDS):
            return None, at + 8
        if tag == _PIXEL_REPRESENTATION and value + 2 <= end:
            self.signed = bool(self.data[value])
        if length == OPEN and (tag in PIXELS or vr in ("OB", "OW")):
            after = self._behind_fragments(value, end)
            return Element(tag, vr, value, after, is_open=True), after
        if vr == "SQ" or length == OPEN:
            return self._sequence(tag, vr, value, length, end, depth)
        if value + length > end:
            raise Broken("a value is longer than its data set")
        return Element(tag, vr, value, value + length), value + length

    def _head(self, at: int) -> tuple[int, str, int, int]:
        if not self.explicit:
            group, number, length = _implicit(self.data, at)
            tag = group << 16 | number
            return tag, self._vr(tag), length, at + 8
        group, number, vr, length = _heads(self.data, at)
        tag = group << 16 | number
        if group == 0xFFFE:
            return tag, "", _long(self.data, at + 4)[0], at + 8
        if vr in _LONG:
            if at + 12 > len(self.data):
                raise Broken("an element ends early")
            return tag, vr.decode("latin-1"), _long(self.data, at + 8)[0], at + 12
        if not (vr.isalpha() and vr.isupper()):
            raise Broken("an element has no value representation")
        return tag, vr.decode("latin-1"), length, at + 8

    def _vr(self, tag: int) -> str:
        if self.signed and tag in _SIGNED_OR_NOT:
            return "SS"
        return vr_of(tag) or "UN"

    def _sequence(self, tag: int, vr: str, at: int, length: int, end: int, depth: int) -> tuple[Element, int]:
        """PS3.5 6.2.2: UN of undefined length is a sequence in implicit VR."""
        if depth >= DEEPEST:
            raise Broken("sequences are nested too deep")
        stop = end if length == OPEN else at + length
        if stop > end:
            raise Broken("a sequence is longer than its data set")
        walk = _Walk(self.data, explicit=False, signed=self.signed) if vr == "UN" else self
        items, after = walk.items(at, stop, depth + 1, is_open=length == OPEN)
        return Element(tag, "SQ", at, after, tuple(items), length == OPEN), after

    def items(self, at: int, end: int, depth: int, *, is_open: bool) -> tuple[list[tuple[Element, ...]], int]:
        found: list[tuple[Element, ...]] = []
        while at + 8 <= end:
            group, number, length = _implicit(self.data, at)
            tag = group << 16 | number
            if tag == SEQUENCE_ENDS and is_open:
                return found, at + 8
            if tag != ITEM:
                raise Broken("no item where one belongs")
            stop = end if length == OPEN else at + 8 + length
            if stop > end:
                raise Broken("an item is longer than its sequence")
            inner, at = self.until(at + 8, stop, depth, is_open=length == OPEN)
            found.append(tuple(inner))
        if is_open or at != end:
            raise Broken("a sequence ends early")
        return found, at

    def _behind_fragments(self, at: int, end: int) -> int:
        while at + 8 <= end:
            group, number, length = _implicit(self.data, at)
            tag = group << 16 | number
            if tag == SEQUENCE_ENDS:
                return at + 8
            if tag != ITEM or length == OPEN:
                raise Broken("no fragment where one belongs")
            at += 8 + length
        raise Broken("fragments end early")


def walk(data: memoryview, at: int, *, explicit: bool) -> list[Element]:
    """All elements of the data set that begins at `at`, group lengths left out. Raises Broken."""
    found, _ = _Walk(data, explicit).until(at, len(data), 0)
    return found


def at_path(elements: "list[Element] | tuple[Element, ...]", path: tuple[int, ...]) -> Element | None:
    """A tag, or tag, number of the item from 0, tag, ..."""
    tag, *rest = path
    found = next((one for one in elements if one.tag == tag), None)
    if found is None or not rest:
        return found
    items = found.items or ()
    return at_path(items[rest[0]], tuple(rest[1:])) if rest[0] < len(items) and rest[1:] else None


def fragments(data: memoryview, element: Element) -> Iterator[memoryview]:
    """Of pixel data in fragments, the offset table first."""
    at = element.at
    while at < element.end - 8:
        length = _long(data, at + 4)[0]
        yield data[at + 8 : at + 8 + length]
        at += 8 + length
