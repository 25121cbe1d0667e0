"""The identifier of a query, from its bytes to its keys, and of an answer back to bytes (PS3.5 7.1).

A stranger's identifier may be anything. It is read once, without recursion and without decoding, and what is longer,
deeper or more than any query needs is refused before it costs anything. The items of a sequence are passed over;
whoever wants them reads them one level at a time (`items`).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final

from proxy.network.messages import Malformed

MOST_KEYS: Final = 1_000
LONGEST: Final = 2 * 1024 * 1024  # bytes; ten thousand UIDs are less
DEEPEST: Final = 16

UNDEFINED: Final = 0xFFFFFFFF
ITEM, ITEM_ENDS, SEQUENCE_ENDS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
CHARACTER_SET: Final = 0x00080005
UNICODE: Final = "ISO_IR 192"
_LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_TAG = struct.Struct("<HH")
_IMPLICIT = struct.Struct("<HHL")
_NUMBER, _UNSIGNED = struct.Struct("<L"), struct.Struct("<H")


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """`vr` is empty where the encoding does not say it; the value of a sequence are its items, encoded. In implicit VR
    only its reader knows that it is one. May be an identity."""

    tag: int
    vr: str
    value: bytes
    is_sequence: bool = False
    implicit: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Element:
    """Of an answer; text, several values joined with a backslash, or `items` of a sequence. May be an identity."""

    tag: int
    vr: str
    value: str
    items: "tuple[tuple[Element, ...], ...]" = ()


@dataclass(slots=True)
class _Head:
    tag: int
    vr: bytes
    length: int
    at: int  # where the value begins


def read(data: bytes, *, implicit: bool) -> tuple[Key, ...]:
    """The keys of the top level, each tag once; group lengths are left out. Raises Malformed."""
    if len(data) > LONGEST:
        raise Malformed("an identifier is too long")
    keys: dict[int, Key] = {}
    at = 0
    while at < len(data):
        head = _head(data, at, implicit=implicit)
        key, at = _key(data, head, implicit=implicit)
        if key.tag in keys or len(keys) >= MOST_KEYS or key.tag < 0x00080000:
            raise Malformed("an identifier has a key twice, too many keys, or one of a command")
        if key.tag & 0xFFFF:
            keys[key.tag] = key
    return tuple(keys.values())


def _key(data: bytes, head: _Head, *, implicit: bool) -> tuple[Key, int]:
    vr = head.vr.decode("latin-1")
    if head.length == UNDEFINED:
        end = _behind(data, head.at, implicit=implicit)
        return Key(head.tag, "SQ", data[head.at : end - 8], is_sequence=True, implicit=implicit), end
    end = head.at + head.length
    return Key(head.tag, vr, data[head.at : end], head.vr == b"SQ", implicit), end


def _head(data: bytes, at: int, *, implicit: bool) -> _Head:
    if len(data) - at < 8:
        raise Malformed("an identifier is cut off")
    group, element = _TAG.unpack_from(data, at)
    tag = group << 16 | element
    if implicit or group == 0xFFFE:
        head = _Head(tag, b"", _NUMBER.unpack_from(data, at + 4)[0], at + 8)
    else:
        head = _explicit(data, tag, at)
    if head.length != UNDEFINED and head.at + head.length > len(data):
        raise Malformed("a key is longer than its identifier")
    return head


def _explicit(data: bytes, tag: int, at: int) -> _Head:
    vr = data[at + 4 : at + 6]
    if not (vr.isalpha() and vr.isupper()):
        raise Malformed("a key has no value representation")
    if vr not in _LONG:
        return _Head(tag, vr, data[at + 6] | data[at + 7] << 8, at + 8)
    if len(data) - at < 12:
        raise Malformed("an identifier is cut off")
    return _Head(tag, vr, _NUMBER.unpack_from(data, at + 8)[0], at + 12)


def _behind(data: bytes, at: int, first: int = SEQUENCE_ENDS, *, implicit: bool) -> int:
    """Where a sequence (or item) of undefined length ends that begins here; a stack of what is open, instead of
    recursion."""
    open_ends = [first]
    while open_ends:
        head = _head(data, at, implicit=implicit)
        at = head.at
        if head.tag == open_ends[-1]:
            open_ends.pop()
        elif head.length != UNDEFINED:
            at += head.length
        else:
            open_ends.append(ITEM_ENDS if head.tag == ITEM else SEQUENCE_ENDS)
        if len(open_ends) > DEEPEST:
            raise Malformed("sequences of an identifier are too deep")
    return at


def items(key: Key) -> tuple[tuple[Key, ...], ...]:
    """Of a sequence: the keys of each item, whose own sequences are left for another call. Raises Malformed."""
    found: list[tuple[Key, ...]] = []
    data, at = key.value, 0
    while at < len(data):
        head = _head(data, at, implicit=True)
        if head.tag == SEQUENCE_ENDS:
            break
        if head.tag != ITEM or len(found) >= MOST_KEYS:
            raise Malformed("no item where one belongs, or too many")
        if head.length == UNDEFINED:
            at = _behind(data, head.at, ITEM_ENDS, implicit=key.implicit)
            end = at - 8
        else:
            at = end = head.at + head.length
        found.append(read(data[head.at : end], implicit=key.implicit))
    return tuple(found)


def encoded(elements: Iterable[Element], *, implicit: bool) -> bytes:
    """In the order of the tags; it says Unicode where anything is not ASCII, and else no character set."""
    said = list(elements)
    data = _joined(said, implicit=implicit)
    if data.isascii() or all(map(_is_ascii, said)):  # a length may be beyond ASCII, too
        return data
    return _joined([*said, Element(CHARACTER_SET, "CS", UNICODE)], implicit=implicit)


def _is_ascii(element: Element) -> bool:
    return element.value.isascii() and all(_is_ascii(one) for item in element.items for one in item)


def _joined(elements: Iterable[Element], *, implicit: bool) -> bytes:
    return b"".join([_encoded(one, implicit) for one in sorted(elements, key=_in_order)])


_in_order: Final = attrgetter("tag")


def _encoded(element: Element, implicit: bool) -> bytes:
    begin, size, pad = _form(element.tag, element.vr, implicit)
    value = element.value.encode("utf-8", "replace") if pad else _binary(element, implicit)
    if len(value) % 2:
        value += pad
    if size == 2:
        value = value[:0xFFFE]
    return begin + len(value).to_bytes(size, "little") + value


@lru_cache(maxsize=1024)
def _form(tag: int, vr: str, implicit: bool) -> tuple[bytes, int, bytes]:
    """What stands before a value's length, that length's size, and what makes a text even; nothing where it is none."""
    begin = _TAG.pack(tag >> 16, tag & 0xFFFF)
    pad = b"" if vr in ("SQ", "US") else b"\0" if vr == "UI" else b" "
    if implicit:
        return begin, 4, pad
    code = vr.encode("ascii")
    return (begin + code + b"\0\0", 4, pad) if code in _LONG else (begin + code, 2, pad)


def _binary(element: Element, implicit: bool) -> bytes:
    if element.vr == "SQ":
        return b"".join(_item(one, implicit=implicit) for one in element.items)
    return b"".join(_UNSIGNED.pack(int(one)) for one in element.value.split("\\") if one)


def _item(elements: Iterable[Element], *, implicit: bool) -> bytes:
    value = _joined(elements, implicit=implicit)
    return _IMPLICIT.pack(ITEM >> 16, ITEM & 0xFFFF, len(value)) + value
