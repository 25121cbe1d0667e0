"""Take the images out of an archive that a stranger made: ZIP or tar.gz, no name of it used, nothing beyond bounds.

What is no DICOM file is left out. Names never become paths; links and devices are no files; what says that it is small
and is not, is stopped where the bound is.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from lzma import LZMAError
from pathlib import Path
from typing import IO, Final

from proxy.link.downloading import NO_ROOM, Bounds, Failed, Later
from proxy.storage.space import has_room

MOST_MEMBERS: Final = 200_000
PIECE: Final = 1 << 20
HEAD: Final = 132  # bytes before which a DICOM file says that it is one
BROKEN: Final = Later("The archive that came is broken; it is fetched again.")
NOTHING_KNOWN: Final = Failed("What came is neither a ZIP nor a tar.gz.")
TOO_MUCH: Final = Failed("Unpacked, the archive is larger than DISPATCH_LIMIT.")
TOO_MANY: Final = Failed(f"The archive has more than {MOST_MEMBERS} members.")
LOCKED: Final = Failed("The archive is encrypted.")


class _Stop(Exception):
    def __init__(self, why: Later | Failed) -> None:
        super().__init__(why.reason)
        self.why = why


def unpack(archive: Path, folder: Path, bounds: Bounds) -> list[Path] | Later | Failed:
    """The images, as files of our own names."""
    left = bounds.largest
    images: list[Path] = []
    try:
        for member in _members(archive):
            path = folder / f"{len(images):06}.dcm"
            size = _copied(member, path, left, bounds.watermark)
            left -= size
            if size:
                images.append(path)
    except _Stop as stopped:
        return stopped.why
    except RuntimeError:  # zipfile's word for a member that needs a password
        return LOCKED
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, LZMAError, ValueError):
        return BROKEN
    except NotImplementedError:
        return NOTHING_KNOWN
    return images


def _members(archive: Path) -> Iterator[IO[bytes]]:
    with archive.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        return _of_zip(archive)
    if start[:2] == b"\x1f\x8b":
        return _of_tar(archive)
    raise _Stop(NOTHING_KNOWN)


def _of_zip(archive: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(archive) as whole:
        members = whole.infolist()
        if len(members) > MOST_MEMBERS:
            raise _Stop(TOO_MANY)
        for member in members:
            if not member.is_dir():
                with whole.open(member) as content:
                    yield content


def _of_tar(archive: Path) -> Iterator[IO[bytes]]:
    with closing(tarfile.open(archive, "r|gz")) as whole:
        for number, member in enumerate(whole):
            if number >= MOST_MEMBERS:
                raise _Stop(TOO_MANY)
            content = whole.extractfile(member) if member.isfile() else None
            if content is not None:
                yield content


def _copied(content: IO[bytes], path: Path, left: int, watermark: int) -> int:
    """Its size; 0 if it is no DICOM file, of which nothing is kept."""
    head = content.read(HEAD)
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
