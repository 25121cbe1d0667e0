"""One process at a time prepares the house; the others wait, and then find everything done."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

ADVISORY_LOCK = 0x706F7374  # "post": any number that nobody else uses in our database
_mine = False


@contextmanager
def only_one() -> Iterator[None]:
    """Wait for our turn and keep it; inside, asking again costs nothing."""
    global _mine  # noqa: PLW0603 - the lock belongs to the process
    if _mine:
        yield
        return
    with _file_lock() if connection.vendor == "sqlite" else _advisory_lock():
        _mine = True
        try:
            yield
        finally:
            _mine = False


@contextmanager
def _file_lock() -> Iterator[None]:
    """The kernel takes it back when its process dies, so nothing stale is left."""
    path = settings.DATA_DIR / ".prepare.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _advisory_lock() -> Iterator[None]:
    """On a connection of its own: migrations may close the usual one."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        yield
    finally:
        own.close()
