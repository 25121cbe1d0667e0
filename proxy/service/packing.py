"""A ZIP that is written as files come out of the engine (APPNOTE 4.3): stored, because pixels give little way to
deflate and every byte would pass through it; ZIP64 only where a size or a place needs it.

A file that turns out not to be clean is taken back: what was written of it is cut off. Sizes and checksum of a member
are written in front of it once they are known, so that the ZIP can be read by whoever reads from its beginning.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from proxy.storage.errors import full_is_said

Bytes = bytes | memoryview

LOCAL: Final = struct.Struct("<4s5H3I2H")
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")
END64: Final = struct.Struct("<4sQ2H2I4Q")
PLACE64: Final = struct.Struct("<4sIQI")
SIZES64: Final = struct.Struct("<2H2Q")
FULL, MANY = 0xFFFFFFFF, 0xFFFF
ZIP64, UTF8, STORED = 45, 0x0800, 0
DAY: Final = (1 << 5) | 1  # 1980-01-01: the same files make the same ZIP
IOV_MAX: Final = 512
EARLY: Final = 1 << 18  # bytes that wait to be written together
ROOM: Final = 512
"""Bytes in front of a member for its head, which is written once its name is known; what is left over is an extra
field that nobody reads (APPNOTE 4.5.2)."""
PADDING: Final = 0xD935  # the extra field by which Android's tools align members


@dataclass(frozen=True, slots=True)
class Member:
    name: bytes
    at: int
    crc: int
    size: int


@dataclass(slots=True)
class Entry:
    """A member on its way in: what is written of it, until it is kept or taken back."""

    _zip: "Zip"
    crc: int = field(default=0, init=False)
    size: int = field(default=0, init=False)

    def writelines(self, pieces: Sequence[Bytes]) -> None:
        for piece in pieces:
            self.crc = zlib.crc32(piece, self.crc)
            self.size += len(piece)
        self._zip.append(pieces)

    def keep(self, name: str) -> None:
        self._zip.keep(name.encode("utf-8"), self.crc, self.size)

    def take_back(self) -> None:
        self._zip.take_back()


class Zip:
    """Into an open file, from its beginning. One entry at a time. Raises StorageFull."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._at = 0  # end of the last member that was kept
        self._end = 0  # of what is written
        self._waiting: list[bytes] = []
        self._held = 0
        self._members: list[Member] = []

    @property
    def count(self) -> int:
        return len(self._members)

    def begin(self) -> Entry:
        self._end = self._at
        self.append([bytes(ROOM)])
        return Entry(self)

    def append(self, pieces: Sequence[Bytes]) -> None:
        large = [piece for piece in pieces if len(piece)]
        if self._held + sum(map(len, large)) < EARLY:
            self._waiting.extend(bytes(piece) for piece in large)
            self._held += sum(map(len, large))
            return
        self._write([*self._waiting, *large])
        self._waiting, self._held = [], 0

    def keep(self, name: bytes, crc: int, size: int) -> None:
        """Raises ValueError for a name that has no room."""
        self._flush()
        member = Member(name, self._at, crc, size)
        with full_is_said:
            os.pwrite(self._handle, _head(member), self._at)
        self._members.append(member)
        self._at = self._end

    def take_back(self) -> None:
        self._waiting, self._held = [], 0
        self._end = self._at
        os.ftruncate(self._handle, self._at)

    def finish(self) -> int:
        """The list of members behind them; the size of the whole."""
        begun = self._end = self._at
        for member in self._members:
            self.append([_listed(member)])
        self._flush()
        self.append([_ending(len(self._members), begun, self._end - begun)])
        self._flush()
        return self._end

    def _flush(self) -> None:
        self._write(self._waiting)
        self._waiting, self._held = [], 0

    def _write(self, pieces: Sequence[Bytes]) -> None:
        rest = iter(pieces)
        while some := list(islice(rest, IOV_MAX)):
            with full_is_said:
                self._written(some)

    def _written(self, pieces: list[Bytes]) -> None:
        wanted = sum(map(len, pieces))
        done = os.pwritev(self._handle, pieces, self._end)
        self._end += done
        while done < wanted:  # what a signal or a full disk cut short
            left = memoryview(b"".join(pieces))[done:]
            step = os.pwrite(self._handle, left, self._end)
            self._end, done = self._end + step, done + step


def _head(member: Member) -> bytes:
    """Of exactly ROOM bytes."""
    size = min(member.size, FULL)
    extra = SIZES64.pack(1, 16, member.size, member.size) if size == FULL else b""
    left = ROOM - LOCAL.size - len(member.name) - len(extra) - 4
    if left < 0:
        raise ValueError("the name of a member is too long")
    extra += struct.pack("<2H", PADDING, left) + bytes(left)
    return (
        LOCAL.pack(
            *(b"PK\3\4", ZIP64 if size == FULL else 20, UTF8, STORED, 0, DAY),
            *(member.crc, size, size, len(member.name), len(extra)),
        )
        + member.name
        + extra
    )


def _listed(member: Member) -> bytes:
    large = [value for value in (member.size, member.size, member.at) if value >= FULL]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, version = min(member.size, FULL), ZIP64 if large else 20
    return (
        CENTRAL.pack(
            *(b"PK\1\2", version, version, UTF8, STORED, 0, DAY, member.crc, size, size),
            *(len(member.name), len(extra), 0, 0, 0, 0, min(member.at, FULL)),
        )
        + member.name
        + extra
    )


def _ending(count: int, begun: int, size: int) -> bytes:
    short = END.pack(b"PK\5\6", 0, 0, *[min(count, MANY)] * 2, min(size, FULL), min(begun, FULL), 0)
    if count < MANY and size < FULL and begun < FULL:
        return short
    long = END64.pack(b"PK\6\6", END64.size - 12, ZIP64, ZIP64, 0, 0, count, count, size, begun)
    return long + PLACE64.pack(b"PK\6\7", 0, begun + size, 1) + short
