"""One call at a time asks a node, so that what spares it holds; another one ends at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

BUSY = "Another pull or dispatch is asking this node: let it end, or end it."

ADVISORY_LOCKS = 0x70756C6C  # "pull": any number that nobody else uses in our database


@contextmanager
def alone(node_id: int) -> Iterator[None]:
    """The lock goes when its process dies. Raises CommandError."""
    with _file_lock(node_id) if connection.vendor == "sqlite" else _advisory_lock(node_id):
        yield


@contextmanager
def _file_lock(node_id: int) -> Iterator[None]:
    path = settings.DATA_DIR / f".pull-{node_id}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(BUSY) from None
        yield


@contextmanager
def _advisory_lock(node_id: int) -> Iterator[None]:
    """Over all machines, on a connection of its own."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ADVISORY_LOCKS, node_id])
            if not cursor.fetchone()[0]:
                raise CommandError(BUSY)
        yield
    finally:
        own.close()
