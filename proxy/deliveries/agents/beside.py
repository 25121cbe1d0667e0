"""Write a file beside its place, fsync it, rename it. The caller fsyncs the folders, once for many files.

Unlike the files of our own store these are for others: what stands in their place is replaced, and their
modes are those of the process.
"""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

LEFT_OVER_AFTER = 3600.0


def write(path: Path, pieces: Iterable[bytes], base: Path | None = None) -> None:
    """Afterwards the whole file stands there, or what stood there before does. Folders are made below `base` only."""
    if not path.parent.is_dir():
        make_folders(path.parent, base)
    part = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        with part.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def attempt(folder: Path, size: int) -> None:
    """Write so many bytes and remove them again. Raises OSError where a file could not be written either."""
    part = folder / f".probe.{secrets.token_hex(4)}.part"
    try:
        with part.open("xb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    finally:
        part.unlink(missing_ok=True)


def make_folders(folder: Path, base: Path | None = None) -> None:
    """Each new folder is made durable in its parent. Raises FileNotFoundError where `base` itself is not there."""
    if folder.is_dir():
        return
    if folder == base:
        raise FileNotFoundError(errno.ENOENT, "the folder to write below is gone")
    make_folders(folder.parent, base)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    sync_folder(folder.parent)


def sync_up_to(base: Path, folder: Path) -> None:
    """The folder and those above it: another worker may have made one a moment ago and not be done yet."""
    for one in (folder, *folder.parents):
        sync_folder(one)
        if one == base:
            return


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what a killed worker left half-written; one that still writes keeps its file young."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            if part.stat().st_mtime < time.time() - LEFT_OVER_AFTER:
                part.unlink()
