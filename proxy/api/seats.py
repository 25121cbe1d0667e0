"""So many at once and no more: the next one hears at once that it is to come again, and no thread waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from proxy.api.problems import Problem


@contextmanager
def taken(seats: "BoundedSemaphore | Lock", sentence: str, after: float) -> Iterator[None]:
    """Raises the 503 of a house that is busy."""
    if not seats.acquire(blocking=False):
        raise Problem(503, "busy", sentence, after)
    try:
        yield
    finally:
        seats.release()
