"""Take the images out of an archive that a stranger made: ZIP or tar.gz, no name of it used, nothing beyond bounds.

What is no DICOM file is left out. Names never become paths; links and devices are no files; what says that it is small
and is not, is stopped where the bound is, and so is a list of members that would not fit into memory.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from proxy.link.downloading import NO_ROOM, Bounds, Failed, Later
from proxy.storage import tarred
from proxy.storage.space import has_room

MOST_MEMBERS: Final = 200_000
LARGEST_DIRECTORY: Final = 64 << 20  # bytes of a ZIP's list of members
ENTRY: Final = b"PK\x01\x02"  # begins each member in that list
METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # others give as much at once as they like
PIECE: Final = 1 << 20
HEAD: Final = 132  # bytes before which a DICOM file says that it is one
BROKEN: Final = Later("The archive that came is broken; it is fetched again.")
NOTHING_KNOWN: Final = Failed("What came is neither a ZIP nor a tar.gz.")
TOO_MUCH: Final = Failed("Unpacked, the archive is larger than DISPATCH_LIMIT.")
TOO_MANY: Final = Failed(f"The archive has more than {MOST_MEMBERS} members.")
LOCKED: Final = Failed("The archive is encrypted.")


class Content(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Stop(Exception):
    def __init__(self, why: Later | Failed) -> None:
        super().__init__(why.reason)
        self.why = why


def unpack(archive: Path, folder: Path, bounds: Bounds) -> list[Path] | Later | Failed:
    """The images, as files of our own names."""
    left = bounds.largest
    images: list[Path] = []
    try:
        for member in _members(archive, bounds):
            path = folder / f"{len(images):06}.dcm"
            size = _copied(member, path, left, bounds.watermark)
            left -= size
            if size:
                images.append(path)
    except _Stop as stopped:
        return stopped.why
    except RuntimeError:  # zipfile's word for a member that needs a password
        return LOCKED
    except (zipfile.BadZipFile, tarred.BrokenTarError, zlib.error, EOFError, OSError, ValueError):
        return BROKEN
    except NotImplementedError:
        return NOTHING_KNOWN
    return images


def _members(archive: Path, bounds: Bounds) -> Iterator[Content]:
    with archive.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        return _of_zip(archive)
    if start[:2] == b"\x1f\x8b":
        return _of_tar(archive, bounds)
    raise _Stop(NOTHING_KNOWN)


class _Bounded(io.FileIO):
    """What `zipfile` reads from: it takes the list of members as a whole, however many there are."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = -1 if size is None else size
        if wanted > LARGEST_DIRECTORY:
            raise _Stop(TOO_MANY)
        found = super().read(wanted) or b""
        if wanted > PIECE and found.count(ENTRY) > MOST_MEMBERS:
            raise _Stop(TOO_MANY)
        return found


def _of_zip(archive: Path) -> Iterator[Content]:
    with _Bounded(archive) as file, zipfile.ZipFile(file) as whole:
        members = whole.infolist()
        if len(members) > MOST_MEMBERS:
            raise _Stop(TOO_MANY)
        for member in members:
            if member.compress_type not in METHODS:
                raise _Stop(NOTHING_KNOWN)
            if not member.is_dir():
                with whole.open(member) as content:
                    yield content


def _of_tar(archive: Path, bounds: Bounds) -> Iterator[Content]:
    with tarred.opened(archive) as stream:
        whole = tarred.Tar(stream, bounds.largest, _Stop(TOO_MUCH))
        for number, member in enumerate(whole.members()):
            if number >= MOST_MEMBERS:
                raise _Stop(TOO_MANY)
            if member is not None:
                yield member


def _copied(content: Content, path: Path, left: int, watermark: int) -> int:
    """Its size; 0 if it is no DICOM file, of which nothing is kept."""
    head = _head(content)
    if head[128:] != b"DICM":
        return 0
    size = len(head)
    with path.open("wb") as file:
        file.write(head)
        while piece := content.read(PIECE):
            size += len(piece)
            if size > left:
                raise _Stop(TOO_MUCH)
            if not has_room(path.parent, watermark):
                raise _Stop(NO_ROOM)
            file.write(piece)
    return size


def _head(content: Content) -> bytes:
    head = b""
    while len(head) < HEAD and (more := content.read(HEAD - len(head))):
        head += more
    return head
