"""The seal: everything that was removed or changed, in one compressed, self-contained piece of bytes.

Layout of version 2 (little endian): the version's byte, the size of the body, and the body, deflated. In it: what
clean object it belongs to (size, fingerprint of the header, digest of the pixel data) and how the original was
encoded; per edit the gap of clean bytes since the last one, the clean bytes it replaces, their checksum, the original
bytes it brings back, and its path; the paths; extras (the head of a Part 10 file ...); the original bytes. Version 1
had no digest of pixels, no checksums and no extras. It is not encrypted: the caller does that with the person's key.
"""

import hashlib
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from struct import Struct
from struct import error as StructFault  # noqa: N812 - its own name says nothing here
from typing import Final, NamedTuple

from proxy.deid import intact
from proxy.deid.errors import WrongSeal
from proxy.deid.intact import Check
from proxy.deid.splice import Edit, Path
from proxy.deid.stream import DEPTH

VERSION: Final = b"\x02"
FILE_HEAD: Final = b"F"  # extra: preamble and File Meta of the original file
STREAM: Final = b"Z"  # extra: SHA-256 of the deflated original as it came
BEHIND: Final = b"B"  # extra: what stood behind the deflated data set
SYNTAX: Final = b"T"  # extra: the original's transfer syntax, where the clean object has another
CHARSET: Final = b"C"  # extra: the original's (0008,0005), where it has one
MAC: Final = b"M"  # extra: key and tag of the clean object's MAC (intact.py)
_FIRST: Final = b"\x01"
_SMALL: Final = 1 << 14
_MOST: Final = 4 << 30  # of a body: masked pixels are in it
_MOST_FIRST: Final = 256 << 20  # of the first version, which never held pixels
_SIZE: Final = Struct("<Q")
_HEAD: Final = Struct("<QQBII16s32sIIB")
_HEAD_1: Final = Struct("<QI16sII")
_STEP: Final = Struct("<IiI")
_EXTRA: Final = Struct("<cI")
Buffer = bytes | memoryview
OTHER: Final = "the object, or its pixel data, are not those that were sealed"
_order: Final = itemgetter(0)


class Figures(NamedTuple):
    """The clean object that a seal belongs to."""

    header: bytes  # up to its pixel data
    size: int  # of all of it
    bulk_head: int = 0  # bytes of the pixel data element before its value
    bulk_size: int = 0  # of the value
    bulk_digest: bytes = b"\0" * 32
    explicit: bool = True  # how the original was encoded


@dataclass(frozen=True, slots=True, repr=False)
class Piece:
    """One edit, read back: at this clean offset, `size` clean bytes stand for the original ones."""

    at: int
    size: int
    original: bytes
    path: tuple[tuple[int, int], ...]
    checksum: int = 0  # CRC-32 of the clean bytes


@dataclass(frozen=True, slots=True, repr=False)
class Edits:
    """As they lie in the seal: a column for each thing known of an edit, and the originals behind one another."""

    gaps: "array[int]"  # clean bytes that stay since the last one
    sizes: "array[int]"  # clean bytes that go
    lengths: "array[int]"  # of the original bytes that come
    paths: "array[int]"  # numbers in the table
    checks: "array[int]"  # CRC-32 of the clean bytes that go, of those edits that have any
    table: memoryview
    originals: memoryview

    def pieces(self) -> list[Piece]:
        paths, checks = _read_paths(self.table), iter(self.checks)
        pieces, clean, at = [], 0, 0
        for gap, size, length, number in zip(self.gaps, self.sizes, self.lengths, self.paths, strict=True):
            clean += gap
            original = bytes(self.originals[at : at + length])
            pieces.append(Piece(clean, size, original, paths[number], next(checks, 0) if size else 0))
            clean += size
            at += length
        return pieces

    def applied(self, clean: memoryview, header: int) -> list[Buffer]:
        """The original, of a clean object in memory. What follows the header is a view of it, if it has no edits."""
        if sum(self.gaps) + sum(self.sizes) > header:
            return self._applied(clean)
        return [b"".join(self._applied(bytes(clean[:header]))), clean[header:]]

    def _applied(self, clean: Buffer) -> list[Buffer]:
        originals = bytes(self.originals)
        found: list[Buffer] = []
        at = start = 0
        for gap, size, length in zip(self.gaps, self.sizes, self.lengths, strict=True):
            if gap:
                found.append(clean[at : at + gap])
            if length:
                found.append(originals[start : start + length])
                start += length
            at += gap + size
        found.append(clean[at:])
        return found


@dataclass(frozen=True, repr=False)
class Opened:
    """A seal, read."""

    edits: Edits
    size: int
    header: int  # size of the clean header
    mark: bytes  # its fingerprint
    bulk: range  # where the clean pixel data's value stands; empty where nobody checked it
    bulk_digest: bytes
    explicit: bool
    extras: Mapping[bytes, bytes] = field(default_factory=dict)

    @cached_property
    def pieces(self) -> list[Piece]:
        """The edits one by one. Raises WrongSeal if their paths make no sense."""
        with _reading():
            return self.edits.pieces()

    def check(self, size: int, header: bytes | memoryview) -> None:
        """Raises WrongSeal if the clean object is another one."""
        if size != self.size or fingerprint(header) != self.mark:
            raise WrongSeal("the seal belongs to another object")

    def check_all(self, clean: memoryview) -> None:
        """As `check` and `check_rest`, of a clean object that lies in memory."""
        mac = self.extras.get(MAC, b"")
        if intact.is_mac(mac):
            if not intact.fits(mac, clean):
                raise WrongSeal(OTHER)
            return
        self.check(len(clean), clean[: self.header])
        check = self.checking()
        check.update(clean[self.bulk.start : self.bulk.stop])
        self.check_rest(check)

    def checking(self) -> Check:
        """To be fed as it says, and then given to `check_rest`."""
        return Check(self.extras.get(MAC, b""), range(self.size), self.bulk_digest, self.bulk)

    def check_rest(self, seen: Check) -> None:
        """Raises WrongSeal if what follows the header was changed."""
        if not seen.fits():
            raise WrongSeal(OTHER)

    def check_bulk(self, digest: bytes) -> None:
        """As `check_rest`, by SHA-256 of the pixel data alone."""
        if self.bulk and digest != self.bulk_digest:
            raise WrongSeal(OTHER)


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


Part = tuple[bytes, Sequence[Edit], bytes, int]  # original buffer, its edits, clean buffer, its offset


def make(parts: Sequence[Part], clean: Figures, extras: Mapping[bytes, bytes | None] | None = None) -> bytes:
    gaps, sizes, checks, lengths, originals = array("Q"), array("I"), array("I"), array("I"), list[bytes]()
    every: list[Edit] = []
    last, checksum = 0, zlib.crc32
    for buf, edits, out, base in parts:
        ordered = sorted(edits, key=_order)
        every += ordered
        for offset, size, start, end, _ in ordered:
            at = offset + base
            gaps.append(at - last)
            sizes.append(size)
            if size:
                checks.append(checksum(out[offset : offset + size]))
            lengths.append(end - start)
            originals.append(buf[start:end])
            last = at + size
    numbers, table = _paths(every)
    some = [(key, value) for key, value in (extras or {}).items() if value is not None]
    more = b"".join([_EXTRA.pack(key, len(value)) + value for key, value in some])
    head = _HEAD.pack(
        clean.size, clean.bulk_size, clean.bulk_head, len(every), len(clean.header), fingerprint(clean.header),
        clean.bulk_digest, len(table), len(more), clean.explicit,
    )  # fmt: skip
    columns = (gaps.tobytes(), sizes.tobytes(), checks.tobytes(), lengths.tobytes(), numbers.tobytes())
    body = b"".join((head, *columns, table, more, *originals))
    return VERSION + _SIZE.pack(len(body)) + _packed(body)


def _packed(body: bytes) -> bytes:
    """A small window for a small seal: setting up a large one costs more than packing."""
    packer = (
        zlib.compressobj(1, zlib.DEFLATED, -12, 6) if len(body) < _SMALL else zlib.compressobj(1, wbits=-15)
    )
    return packer.compress(body) + packer.flush()


def alike(one: bytes, other: bytes) -> bool:
    """Whether two seals say the same of what becomes of what; the MAC of each has a key of its own."""
    return one == other or _without_mac(read(one)) == _without_mac(read(other))


def _without_mac(opened: "Opened") -> "Opened":
    return replace(opened, extras={name: value for name, value in opened.extras.items() if name != MAC})


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (zlib.error, ValueError, IndexError, OverflowError, StructFault) as trouble:
        raise WrongSeal("the seal cannot be read") from trouble


def read(seal: bytes) -> Opened:
    """Raises WrongSeal if it cannot be read. Takes a few times the size that it states, at most that of _MOST."""
    with _reading():
        if seal[:1] == VERSION:
            return _parsed(memoryview(_unpacked(seal)))
        if seal[:1] == _FIRST:
            return _parsed_first(memoryview(_inflated(memoryview(seal)[1:], 15, _MOST_FIRST)))
    raise WrongSeal("this is no seal of a version we know")


def _unpacked(seal: bytes) -> bytes:
    (size,) = _SIZE.unpack_from(seal, 1)
    body = _inflated(memoryview(seal)[1 + _SIZE.size :], -15, min(size, _MOST))
    if len(body) != size:
        raise ValueError("not as long as it says")
    return body


def _inflated(data: memoryview, window: int, most: int) -> bytes:
    """All of it, or ValueError."""
    unpacker = zlib.decompressobj(window)
    body = unpacker.decompress(data, most or 1)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("longer than it may be, or cut off")
    return body


def _parsed(body: memoryview) -> Opened:
    size, bulk, bulk_head, count, header, mark, digest, table_size, more, explicit = _HEAD.unpack_from(body)
    gaps, at = _column("Q", body, _HEAD.size, count)
    sizes, at = _column("I", body, at, count)
    checks, at = _column("I", body, at, len(sizes) - sizes.count(0))
    lengths, at = _column("I", body, at, count)
    numbers, at = _column("I", body, at, count)
    table = body[at : at + table_size]
    at += table_size
    extras = _read_extras(body[at : at + more])
    edits = _edits(gaps, sizes, lengths, numbers, checks, table, body[at + more :])
    start = header + bulk_head
    return Opened(edits, size, header, mark, range(start, start + bulk), digest, bool(explicit), extras)


def _parsed_first(body: memoryview) -> Opened:
    size, count, mark, table_size, header = _HEAD_1.unpack_from(body)
    gaps, at = _column("Q", body, _HEAD_1.size, count)
    sizes, at = _column("I", body, at, count)
    lengths, at = _column("I", body, at, count)
    numbers, at = _column("I", body, at, count)
    table, originals = body[at : at + table_size], body[at + table_size :]
    edits = _edits(gaps, sizes, lengths, numbers, array("I"), table, originals)
    return Opened(edits, size, header, mark, range(0), b"", True)


def _column(code: str, data: memoryview, at: int, count: int) -> "tuple[array[int], int]":
    column: array[int] = array(code)
    size = column.itemsize * count
    if at + size > len(data):
        raise ValueError("a column ends early")
    column.frombytes(data[at : at + size])
    return column, at + size


def _edits(
    gaps: "array[int]",
    sizes: "array[int]",
    lengths: "array[int]",
    paths: "array[int]",
    checks: "array[int]",
    table: memoryview,
    originals: memoryview,
) -> Edits:
    if sum(lengths) > len(originals):
        raise ValueError("an original ends early")
    return Edits(gaps, sizes, lengths, paths, checks, table, originals)


def _read_paths(table: memoryview) -> list[tuple[tuple[int, int], ...]]:
    paths: list[tuple[tuple[int, int], ...]] = [()]
    for tag, item, parent in _STEP.iter_unpack(table):
        if len(paths[parent]) >= DEPTH:
            raise ValueError("a path deeper than any that we walk")
        paths.append((*paths[parent], (tag, item)))
    return paths


def _read_extras(data: memoryview) -> dict[bytes, bytes]:
    extras, at = {}, 0
    while at < len(data):
        key, size = _EXTRA.unpack_from(data, at)
        at += _EXTRA.size
        if at + size > len(data):
            raise ValueError("an extra ends early")
        extras[key] = bytes(data[at : at + size])
        at += size
    return extras


def fingerprint(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()[:16]
