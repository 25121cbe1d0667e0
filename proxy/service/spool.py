"""Where a ZIP of clean files is written. No original ever comes here.

Most have no name: such a file is gone with the process that writes it, however that ends. One that is kept gets its
name, durable, when it is whole; what a kill leaves before that has no row, and the sweep finds it.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from django.conf import settings

from proxy.storage import files, space
from proxy.storage.errors import full_is_said

SUFFIX: Final = ".zip"
LEFT_OVER_AFTER: Final = 7_200.0  # seconds
MEGABYTE: Final = 1 << 20


def folder() -> Path:
    return Path(settings.DATA_DIR) / "service"


def has_room() -> bool:
    return space.has_room(folder(), settings.DISK_WATERMARK * MEGABYTE)


@contextmanager
def opened(*, kept: bool = False) -> Iterator["Spool"]:
    """`kept`: it may get a name in the end."""
    spool = Spool(kept)
    try:
        yield spool
    finally:
        spool.close()


class Spool:
    """An open file; `handle` is read and written. Raises StorageFull."""

    def __init__(self, kept: bool = False) -> None:
        files.make_folder(folder())
        self._part = folder() / f"{secrets.token_hex(16)}{files.PART}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with full_is_said:
            self.handle = os.open(self._part, flags, 0o600)
        if not kept:
            self._part.unlink()

    def flush(self) -> None:
        """What is written by now is durable when this returns."""
        with full_is_said:
            os.fsync(self.handle)

    def keep(self) -> Path:
        """Durable under its name when this returns."""
        path = self._part.with_suffix(SUFFIX)
        self.flush()
        with full_is_said:
            self._part.rename(path)  # from now on the row's
            files.sync_folder(path.parent)
        return path

    def give(self) -> int:
        """The handle for whoever sends it. A file without a name goes when that is closed."""
        handle, self.handle = self.handle, -1
        return handle

    def close(self) -> None:
        """What was neither kept nor given leaves nothing behind."""
        with suppress(FileNotFoundError):
            self._part.unlink()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def sweep(named: set[str], now: float | None = None) -> int:
    """Remove what no row names: files of processes that were killed. How many."""
    before = (time.time() if now is None else now) - LEFT_OVER_AFTER
    if not folder().is_dir():
        return 0
    old = [path for path in folder().iterdir() if path.name not in named and _is_older(path, before)]
    return files.remove_many(old)


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
