"""Read a tar or tar.gz that a stranger made, member by member: no name, no link, no header of it is kept in memory.

The library's reader takes whatever a header announces into memory, so that a megabyte becomes gigabytes. We need
contents alone: a header is 512 bytes (POSIX.1-2017 pax, ustar), all else passes by piece by piece, and is counted.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

BLOCK: Final = 512
PIECE: Final = 1 << 20
LARGEST_RECORDS: Final = 1 << 20  # bytes of a pax header, of which we want the size alone
FILES: Final = {b"0", b"\0", b"7"}
RECORDS: Final = b"x"
SIZE: Final = re.compile(rb"(?:^|\n)[0-9]+ size=([0-9]{1,19})\n")


class BrokenTarError(Exception):
    """It is no tar, or not a whole one."""


class Stream(Protocol):
    """What comes out of the packing: up to so many bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Member:
    """The content of one file. What is not read of it is passed over."""

    left: int
    _take: Callable[[int], bytes]

    def read(self, size: int) -> bytes:
        piece = self._take(min(size, self.left))
        self.left -= len(piece)
        return piece


@dataclass(slots=True)
class Tar:
    """`largest`: so many bytes may come out of the archive, all told; then `too_much` is raised."""

    stream: Stream
    largest: int
    too_much: Exception
    _come: int = field(default=0, init=False)

    def members(self) -> Iterator[Member | None]:
        """None stands for what is no file, so that it can be counted."""
        size: int | None = None
        while (header := self._header()) is not None:
            kind, said = header[156:157], _number(header[124:136])
            if kind == RECORDS and said <= LARGEST_RECORDS:
                size = _size_in(self._whole(said))
                self._pass_by(-said % BLOCK)
                yield None
                continue
            member = Member(said if size is None else size, self._some)
            padding, size = -member.left % BLOCK, None
            yield member if kind in FILES else None
            self._pass_by(member.left + padding)
        while self._come_from(PIECE):  # to the end, where gzip compares its checksum
            pass

    def _header(self) -> bytes | None:
        """None at the end: a block of zeros, or no more."""
        block = self._come_from(BLOCK)
        while block and len(block) < BLOCK and (more := self._come_from(BLOCK - len(block))):
            block += more
        if not block.strip(b"\0"):
            return None
        if len(block) < BLOCK or _number(block[148:156]) != _checksum(block):
            raise BrokenTarError
        return block

    def _come_from(self, size: int) -> bytes:
        piece = self.stream.read(size)
        self._come += len(piece)
        if self._come > self.largest:
            raise self.too_much
        return piece

    def _some(self, size: int) -> bytes:
        piece = self._come_from(size)
        if size and not piece:
            raise BrokenTarError
        return piece

    def _whole(self, size: int) -> bytes:
        whole = b""
        while len(whole) < size:
            whole += self._some(size - len(whole))
        return whole

    def _pass_by(self, size: int) -> None:
        while size:
            size -= len(self._some(min(size, PIECE)))


def _number(text: bytes) -> int:
    """Octal digits, or, of what is larger, 11 bytes behind a mark (GNU)."""
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    digits = text.split(b"\0", 1)[0].strip()
    if not re.fullmatch(rb"[0-7]*", digits):
        raise BrokenTarError
    return int(digits or b"0", 8)


def _checksum(block: bytes) -> int:
    """Of the header, its own place taken as blanks."""
    return sum(block) - sum(block[148:156]) + 8 * 0x20


def _size_in(records: bytes) -> int | None:
    found = SIZE.search(records)
    return int(found[1]) if found else None


def opened(archive: Path) -> gzip.GzipFile:
    return gzip.GzipFile(archive, "rb")
