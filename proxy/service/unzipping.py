"""A ZIP read from its first byte to its last, as it comes (APPNOTE 4.3): nothing of it is kept, no name becomes a path.

The list at a ZIP's end would need the whole of it first, and an original may not lie anywhere. What stands before each
member says enough, but for one kind: stored content whose length follows it, which nobody can tell from what comes
next. Each member's length and checksum are compared with what came before its last piece is given out.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from proxy.service.sources import Room, Source

LOCAL: Final = b"PK\3\4"
EMPTY: Final = b"PK\5\6"
DESCRIPTOR: Final = b"PK\7\x08"
OTHERS: Final = (b"PK\1\2", EMPTY, b"PK\6\6", b"PK\6\x08")
HEAD: Final = struct.Struct("<4s5H3I2H")
STORED, DEFLATED = 0, 8
ENCRYPTED: Final = 0x2041  # any of: encrypted, strongly, names masked
LATER: Final = 0x0008  # sizes follow the content
UTF8: Final = 0x0800
ZIP64: Final = 0x0001
FULL: Final = 0xFFFFFFFF
IN: Final = 1 << 16


class BrokenArchive(Exception):
    """The sender's fault: it cannot be read on; a sentence says why."""


class BrokenMember(Exception):
    """The sender's fault: this file of it cannot be used; the next one may."""


BROKEN: Final = "The archive is broken."
LOCKED: Final = "It is encrypted."
METHOD: Final = "It is packed by a method that we do not read; stored and deflated are read."
UNSAID: Final = "The archive stores a file without saying its length beforehand; write it to a file first."
DIFFERS: Final = "Its length or checksum is not what the archive says."


@dataclass(slots=True)
class Member:
    """`read` raises BrokenMember, and BrokenArchive where nothing after it can be read either."""

    name: str = field(repr=False)
    is_folder: bool
    _content: "_Content"
    _why_not: str = ""

    def read(self, size: int) -> bytes:
        if self._why_not:
            raise BrokenMember(self._why_not)
        return self._content.read(size)


def members(source: Source, room: Room) -> Iterator[Member]:
    """Raises BrokenArchive, EOFError."""
    while (mark := source.peek(4)) == LOCAL:
        member = _member(source, room)
        yield member
        member._content.pass_by()
    if mark not in OTHERS:
        raise BrokenArchive(BROKEN)


def _member(source: Source, room: Room) -> Member:
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = HEAD.unpack(
        source.exactly(HEAD.size)
    )
    name, extra = source.exactly(name_size), source.exactly(extra_size)
    if FULL in (packed, size):
        size, packed = _large(extra, size, packed)
    content = _Content(source, room, method, bool(flags & LATER), crc, packed, size)
    why_not = LOCKED if flags & ENCRYPTED else METHOD if method not in (STORED, DEFLATED) else ""
    is_folder = name.endswith(b"/")
    if content.is_unsaid and (why_not or (method == STORED and not is_folder)):
        raise BrokenArchive(why_not or UNSAID)
    text = name.decode("utf-8" if flags & UTF8 else "cp437", "replace")
    return Member(text, is_folder, content, why_not)


def _large(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """Sizes that need eight bytes (APPNOTE 4.5.3), each only where the short field says so."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        values = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if kind != ZIP64:
            continue
        numbers = iter(struct.unpack(f"<{len(values) // 8}Q", values[: len(values) // 8 * 8]))
        size = next(numbers, 0) if size == FULL else size
        return size, next(numbers, 0) if packed == FULL else packed
    return size, packed


@dataclass(slots=True)
class _Content:
    source: Source
    room: Room
    method: int
    later: bool  # crc and sizes follow
    crc: int
    packed: int
    size: int
    _read: int = field(default=0, init=False)  # of the packed bytes
    _made: int = field(default=0, init=False)
    _crc: int = field(default=0, init=False)
    _inflater: "zlib._Decompress | None" = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    @property
    def is_unsaid(self) -> bool:
        return self.later and not self.packed

    def read(self, size: int) -> bytes:
        if self._over:
            return b""
        piece = self._stored(size) if self.method == STORED else self._inflated(size)
        self._made += len(piece)
        self._crc = zlib.crc32(piece, self._crc)
        self.room.take(len(piece))
        if not piece:
            self._end()
        return piece

    def pass_by(self) -> None:
        """To where the next member begins. What is packed is skipped unopened where its length is known."""
        if self._over:
            return
        if not self.is_unsaid:
            self._over = True
            self._skip(self.packed - self._read)
            if self.later:
                self._descriptor()
            return
        try:
            while self.read(IN):
                pass
        except BrokenMember:
            return

    def _stored(self, size: int) -> bytes:
        return self._taken(min(size, self.packed - self._read))

    def _inflated(self, size: int) -> bytes:
        """Never more than `size` at once, whatever a bomb would like."""
        inflater = self._inflater = self._inflater or zlib.decompressobj(-zlib.MAX_WBITS)
        while not inflater.eof:
            try:
                if piece := inflater.decompress(inflater.unconsumed_tail or self._next(), size):
                    return piece
            except zlib.error:
                raise self._broken() from None
        if inflater.unused_data:
            self.source.put_back(inflater.unused_data)
            self._read -= len(inflater.unused_data)
        return b""

    def _next(self) -> bytes:
        piece = self._taken(IN if self.is_unsaid else min(IN, self.packed - self._read))
        if not piece:
            raise self._broken()
        return piece

    def _taken(self, size: int) -> bytes:
        piece = bytes(self.source.read(size)) if size else b""
        if size and not piece:
            raise EOFError
        self._read += len(piece)
        return piece

    def _broken(self) -> Exception:
        """Where a member's length is not said, nobody knows where the next one begins."""
        return BrokenArchive(BROKEN) if self.is_unsaid else BrokenMember(BROKEN)

    def _end(self) -> None:
        self._over = True
        if not self.is_unsaid:
            self._skip(self.packed - self._read)
        said = self._descriptor() if self.later else (self.crc, self.packed, self.size)
        if said != (self._crc, self._read, self._made):
            raise BrokenMember(DIFFERS)

    def _skip(self, size: int) -> None:
        while size > 0:
            piece = self.source.read(min(size, 1 << 20))
            if not piece:
                raise EOFError
            size -= len(piece)
            self._read += len(piece)

    def _descriptor(self) -> tuple[int, int, int]:
        """It may have a mark or not, and sizes of four bytes or of eight: that which fits, or none."""
        found = self.source.peek(24)
        for start, form in ((4, "<I2I"), (4, "<I2Q"), (0, "<I2I"), (0, "<I2Q")):
            length = start + struct.calcsize(form)
            if len(found) < length or (start and not found.startswith(DESCRIPTOR)):
                continue
            crc, packed, size = struct.unpack_from(form, found, start)
            following = self.source.peek(length + 2)[length:]
            if packed == self._read and following == b"PK":
                self.source.exactly(length)
                return crc, packed, size
        raise BrokenArchive(BROKEN)
