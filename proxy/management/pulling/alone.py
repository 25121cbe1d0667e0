"""Of two calls that ask the same, one works at a time; the other ends at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

BUSY = "The same call is at work already: let it end, or end it."


@contextmanager
def alone(digest: str) -> Iterator[None]:
    """`digest` is a keyed one. The lock goes when its process dies. Raises CommandError."""
    with _file_lock(digest) if connection.vendor == "sqlite" else _advisory_lock(digest):
        yield


@contextmanager
def _file_lock(digest: str) -> Iterator[None]:
    path = settings.DATA_DIR / f".pull-{digest[:16]}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(BUSY) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _advisory_lock(digest: str) -> Iterator[None]:
    """Over all machines, on a connection of its own."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [int(digest[:15], 16)])
            if not cursor.fetchone()[0]:
                raise CommandError(BUSY)
        yield
    finally:
        own.close()
