"""The files that a part of a request holds: itself, or what is in it, if it is a ZIP, a tar or a tar.gz.

What is packed twice stays packed: an archive within an archive is no DICOM file. Links, devices and folders are no
files; no name becomes a path.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from proxy.service import unzipping
from proxy.service.sources import Counted, Readable, Room, Source
from proxy.service.unzipping import BROKEN, BrokenArchive
from proxy.storage import tarred
from proxy.storage.tarred import BrokenTarError, Tar

LOOKED_AT: Final = 512
DICM: Final = slice(128, 132)
GZIP: Final = b"\x1f\x8b"
AS_GZIP: Final = 31  # zlib's window bits for it
IN: Final = 1 << 16
USTAR: Final = slice(257, 262)
NO_BOUND: Final = 1 << 62


@dataclass(slots=True)
class File:
    """Something that may be an image. `name` is the sender's, which may name a person."""

    name: str = field(repr=False)
    content: Readable
    number: int = field(default=0)


def files_in(part: Readable, name: str, room: Room) -> Iterator[File]:
    """Raises BrokenArchive, EOFError, and what the part raises."""
    source = Source(part)
    first = source.peek(LOOKED_AT)
    if first[DICM] == b"DICM":
        room.another()
        yield File(name, source)
    elif first[:4] in (unzipping.LOCAL, unzipping.EMPTY):
        yield from _zipped(source, room)
    elif first[:2] == GZIP:
        yield from _tarred(_Gunzipped(source), room)
    elif first[USTAR] == b"ustar":
        yield from _tarred(source, room)
    else:
        room.another()
        yield File(name, source)


def _zipped(source: Source, room: Room) -> Iterator[File]:
    for member in unzipping.members(source, room):
        room.another()
        if not member.is_folder:
            yield File(member.name, member)


def _tarred(stream: Readable, room: Room) -> Iterator[File]:
    """A tar knows its members by their place: their names have too many forms to trust."""
    tar = Tar(Counted(stream, room), NO_BOUND, BrokenArchive(BROKEN))
    members = tar.members()
    while True:
        try:
            member = next(members)
        except StopIteration:
            return
        except (BrokenTarError, zlib.error, ValueError):
            raise BrokenArchive(BROKEN) from None
        room.another()
        if member is not None:
            yield File("", _Whole(member))


@dataclass(slots=True)
class _Whole:
    """What goes wrong within a member ends the archive: nobody knows where the next one begins."""

    member: tarred.Member

    def read(self, size: int) -> bytes:
        try:
            return self.member.read(size)
        except (BrokenTarError, zlib.error):
            raise BrokenArchive(BROKEN) from None


@dataclass(slots=True)
class _Gunzipped:
    """Never more at once than is asked for, whatever a bomb would like; several members in a row are one stream."""

    source: Source
    _inflater: "zlib._Decompress" = field(default_factory=lambda: zlib.decompressobj(AS_GZIP), init=False)

    def read(self, size: int) -> bytes:
        """Raises zlib.error, EOFError. (To zlib, none at once is all at once.)"""
        while size:
            if self._inflater.eof and not self._goes_on():
                return b""
            packed = self._inflater.unconsumed_tail or bytes(self.source.read(IN))
            if not packed:
                raise EOFError
            if piece := self._inflater.decompress(packed, size):
                return piece
        return b""

    def _goes_on(self) -> bool:
        """Whether another member follows; zeros that fill up a tape do not count."""
        self.source.put_back(self._inflater.unused_data)
        self._inflater = zlib.decompressobj(AS_GZIP)
        return self.source.peek(2) == GZIP
