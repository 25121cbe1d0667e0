"""The seal: everything that was removed or changed, in one compressed, self-contained piece of bytes.

Layout (little endian), deflated as a whole after the one-byte version: what clean object it belongs to, then per
edit the gap of clean bytes since the last edit, the clean bytes it replaces, the original bytes it brings back, and
its path; then the paths; then the original bytes. It is not encrypted: the caller does that with the person's key.
"""

import hashlib
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from struct import Struct
from struct import error as StructFault  # noqa: N812 - its own name says nothing here
from typing import Final

from proxy.deid.errors import WrongSeal
from proxy.deid.splice import Edit, Path

VERSION: Final = b"\x01"
_RECODED: Final = b"R"  # a seal around which the original's transfer syntax stands
_SMALL: Final = 1 << 14
_HEAD: Final = Struct("<QI16sII")
_STEP: Final = Struct("<IiI")
_order: Final = itemgetter(0)


@dataclass(frozen=True, slots=True, repr=False)
class Piece:
    """One edit, read back: at this clean offset, `size` clean bytes stand for the original ones."""

    at: int
    size: int
    original: bytes
    path: tuple[tuple[int, int], ...]


def _paths(edits: Sequence[Edit]) -> "tuple[array[int], bytes]":
    """Each edit's path as a number, and the table of paths: (parent's number, tag, item)."""
    numbers: dict[int, int] = {}
    steps: list[bytes] = []
    keep: list[Path] = []  # keeps the tuples alive, so that their ids stay theirs

    def number(path: Path) -> int:
        if path is None:
            return 0
        known = numbers.get(id(path))
        if known is None:
            parent = number(path[0])
            steps.append(_STEP.pack(path[1], path[2], parent))
            keep.append(path)
            known = numbers[id(path)] = len(steps)
        return known

    return array("I", [number(edit[4]) if edit[4] else 0 for edit in edits]), b"".join(steps)


def make(parts: Sequence[tuple[bytes, Sequence[Edit], int]], clean_size: int, header: bytes) -> bytes:
    """parts: (original buffer, its edits, clean offset of the buffer); header: the clean one it belongs to."""
    gaps, sizes, lengths, originals = array("Q"), array("I"), array("I"), list[bytes]()
    every: list[Edit] = []
    last = 0
    for buf, edits, base in parts:
        ordered = sorted(edits, key=_order)
        every += ordered
        for offset, size, start, end, _ in ordered:
            at = offset + base
            gaps.append(at - last)
            sizes.append(size)
            lengths.append(end - start)
            originals.append(buf[start:end])
            last = at + size
    numbers, table = _paths(every)
    head = _HEAD.pack(clean_size, len(every), fingerprint(header), len(table), len(header))
    body = b"".join(
        (head, gaps.tobytes(), sizes.tobytes(), lengths.tobytes(), numbers.tobytes(), table, *originals)
    )
    return VERSION + _packed(body)


def _packed(body: bytes) -> bytes:
    """A small window for a small seal: setting up a large one costs more than packing."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 12, 6) if len(body) < _SMALL else zlib.compressobj(1)
    return packer.compress(body) + packer.flush()


def recoded(seal: bytes, syntax: str) -> bytes:
    """The seal of a clean object in another transfer syntax than its original, which was this one."""
    return _RECODED + bytes((len(syntax),)) + syntax.encode("ascii") + seal


def original_syntax(seal: bytes, clean_syntax: str) -> str:
    """The transfer syntax of what restore() gives back."""
    if seal[:1] != _RECODED or len(seal) < 2:
        return clean_syntax
    return seal[2 : 2 + seal[1]].decode("ascii", "replace")


def _unwrapped(seal: bytes) -> bytes:
    return seal[2 + seal[1] :] if seal[:1] == _RECODED and len(seal) > 1 else seal


def read(seal: bytes, clean: bytes) -> list[Piece]:
    """The edits of the seal that belongs to these clean bytes. Raises WrongSeal."""
    seal = _unwrapped(seal)
    if seal[:1] != VERSION:
        raise WrongSeal("this is no seal of a version we know")
    try:
        body = memoryview(zlib.decompress(memoryview(seal)[1:]))
        size, _, mark, _, header = _HEAD.unpack_from(body)
        if size != len(clean) or fingerprint(clean[:header]) != mark:
            raise WrongSeal("the seal belongs to another object")
        return _parse(body)
    except (zlib.error, ValueError, IndexError, StructFault) as trouble:
        raise WrongSeal("the seal cannot be read") from trouble


def _column(code: str, data: memoryview, at: int, count: int) -> "tuple[array[int], int]":
    column: array[int] = array(code)
    size = column.itemsize * count
    column.frombytes(data[at : at + size])
    return column, at + size


def _parse(body: memoryview) -> list[Piece]:
    _, count, _, table_size, _ = _HEAD.unpack_from(body)
    gaps, at = _column("Q", body, _HEAD.size, count)
    sizes, at = _column("I", body, at, count)
    lengths, at = _column("I", body, at, count)
    numbers, at = _column("I", body, at, count)
    paths = _read_paths(body[at : at + table_size])
    at += table_size
    pieces, clean = [], 0
    for gap, size, length, number in zip(gaps, sizes, lengths, numbers, strict=True):
        clean += gap
        pieces.append(Piece(clean, size, bytes(body[at : at + length]), paths[number]))
        clean += size
        at += length
    return pieces


def _read_paths(table: memoryview) -> list[tuple[tuple[int, int], ...]]:
    paths: list[tuple[tuple[int, int], ...]] = [()]
    for tag, item, parent in _STEP.iter_unpack(table):
        paths.append((*paths[parent], (tag, item)))
    return paths


def fingerprint(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]
