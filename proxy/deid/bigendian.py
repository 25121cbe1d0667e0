"""Explicit big endian (retired): turned into little endian for the engine, and back. Turning twice is nothing.

Only headers are turned; pixel data of the top level pass as they are.
"""

from struct import Struct
from typing import Final

from proxy.deid.errors import TooDeep, Unreadable
from proxy.deid.splice import LONG_VRS
from proxy.deid.stream import DEPTH, More

_WIDTH: Final = {
    "AT": 2, "FD": 8, "FL": 4, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "SL": 4, "SS": 2, "SV": 8, "UL": 4,
    "US": 2, "UV": 8,
}  # fmt: skip
_OPEN: Final = 0xFFFFFFFF


class _Turner:
    def __init__(self, buf: bytes, big: bool) -> None:
        self.buf = buf
        self.out: list[bytes] = []
        source, target = (">", "<") if big else ("<", ">")
        self.tag, self.tag_out = Struct(source + "HH"), Struct(target + "HH")
        self.u16, self.u16_out = Struct(source + "H"), Struct(target + "H")
        self.u32, self.u32_out = Struct(source + "I"), Struct(target + "I")

    def elements(self, pos: int, end: int, is_open: bool, depth: int) -> int:
        if depth > DEPTH:
            raise TooDeep(f"nested deeper than {DEPTH} levels")
        while pos < end:
            if pos + 8 > end:
                raise More(pos)
            group, element = self.tag.unpack_from(self.buf, pos)
            if group == 0xFFFE:
                if not is_open or element != 0xE00D:
                    raise Unreadable(f"a delimiter where none belongs at offset {pos}")
                return self._mark(pos)
            if group == 0x7FE0 and element in (0x0008, 0x0009, 0x0010) and depth == 0:
                return pos
            pos = self._element(pos, end, depth)
        if is_open or pos != end:
            raise More(pos)
        return pos

    def _mark(self, pos: int) -> int:
        """A delimiter or the head of an item: tag and length."""
        self.out.append(self.tag_out.pack(*self.tag.unpack_from(self.buf, pos)))
        self.out.append(self.u32_out.pack(*self.u32.unpack_from(self.buf, pos + 4)))
        return pos + 8

    def head(self, pos: int) -> tuple[str, int, int]:
        """Turn an element's head; (VR, length, start of the value)."""
        buf = self.buf
        vr = buf[pos + 4 : pos + 6].decode("latin-1")
        self.out.append(self.tag_out.pack(*self.tag.unpack_from(buf, pos)) + buf[pos + 4 : pos + 6])
        if vr not in LONG_VRS:
            length = self.u16.unpack_from(buf, pos + 6)[0]
            self.out.append(self.u16_out.pack(length))
            return vr, length, pos + 8
        if pos + 12 > len(buf):
            raise More(pos)
        length = self.u32.unpack_from(buf, pos + 8)[0]
        self.out.append(buf[pos + 6 : pos + 8] + self.u32_out.pack(length))
        return vr, length, pos + 12

    def _element(self, pos: int, end: int, depth: int) -> int:
        vr, length, value = self.head(pos)
        is_open = length == _OPEN
        if not is_open and value + length > end:
            raise More(pos)
        stop = end if is_open else value + length
        if vr == "SQ":
            return self._items(value, stop, is_open, depth + 1)
        if is_open:
            raise Unreadable(f"an undefined length that no reader can follow at offset {pos}")
        self.out.append(swapped(self.buf[value:stop], _WIDTH.get(vr, 1)))
        return stop

    def _items(self, pos: int, end: int, is_open: bool, depth: int) -> int:
        while pos < end:
            if pos + 8 > end:
                raise More(pos)
            group, element = self.tag.unpack_from(self.buf, pos)
            if (group, element) == (0xFFFE, 0xE0DD) and is_open:
                return self._mark(pos)
            if (group, element) != (0xFFFE, 0xE000):
                raise Unreadable(f"no item where one belongs at offset {pos}")
            length = self.u32.unpack_from(self.buf, pos + 4)[0]
            value = self._mark(pos)
            stop = end if length == _OPEN else value + length
            if stop > end:
                raise More(pos)
            pos = self.elements(value, stop, length == _OPEN, depth)
        if is_open or pos != end:
            raise More(pos)
        return pos


def swapped(value: bytes, width: int) -> bytes:
    """Each number of `width` bytes turned; an incomplete last one stays as it is."""
    if width == 1:
        return value
    whole = len(value) // width * width
    turned = bytearray(value)
    for byte in range(width):
        turned[byte:whole:width] = value[width - 1 - byte : whole : width]
    return bytes(turned)


def turn(buf: bytes, big: bool) -> tuple[bytes, int]:
    """(turned bytes, offset where pixel data start, or the end). Raises More if buf ends inside an element."""
    turner = _Turner(buf, big)
    end = turner.elements(0, len(buf), False, 0)
    return b"".join(turner.out), end


def turn_head(buf: bytes, big: bool) -> bytes:
    """The head of one element, turned."""
    turner = _Turner(buf, big)
    turner.head(0)
    return b"".join(turner.out)
