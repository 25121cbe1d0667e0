"""Processes that receive take turns at one SQLite file.

SQLite itself lets a writer who finds it busy sleep, longer each time, and whoever comes meanwhile is faster: two
processes waited 1.5 ms each for transactions of half a millisecond (docs/performance.md). A lock of the kernel wakes
the next one as soon as one is done, and is free when its holder dies. Other writers do not ask here, and wait as ever.
"""

import fcntl
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from django.db import connection

SUFFIX = ".turn"


class Turn:
    """Reusable, by one thread at a time. Raises OSError where the lock's file cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def __enter__(self) -> None:
        if self._handle < 0:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *trouble: object) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)


def at_the_database() -> AbstractContextManager[object]:
    """For whoever writes with every image; PostgreSQL needs none."""
    file = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor != "sqlite" or not file.is_absolute():
        return nullcontext()
    return Turn(file.with_name(file.name + SUFFIX))
