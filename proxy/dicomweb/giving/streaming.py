"""An answer that is made while it goes: begun before its status is said, closed whenever nobody wants more of it.

So few at a time that threads are left for everybody else; and whoever takes nothing for a while is hung up on, because
a thread that waits for them is a thread for nobody.
"""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from typing import Final

from rest_framework.request import Request

from proxy.api.problems import Problem

AT_ONCE: Final = 10  # of the web process' 32 threads
PATIENCE: Final = 60  # seconds in which a reader takes something
DRAWN_AT_ONCE: Final = 2  # pictures: each takes a core, and some hundred megabytes if it is large
DRAWN_WITHIN: Final = 20.0  # seconds until a place is free
_seats = BoundedSemaphore(AT_ONCE)
_easels = BoundedSemaphore(DRAWN_AT_ONCE)
BUSY: Final = "As many answers as can be are going out; ask again in a while."


@contextmanager
def drawing() -> Iterator[None]:
    """Raises the 503 of a house that is busy."""
    if not _easels.acquire(timeout=DRAWN_WITHIN):
        raise Problem(503, "busy", BUSY, 5.0)
    try:
        yield
    finally:
        _easels.release()


class Stream:
    """Iterates once. `over` is called when it is closed, whether it was read or not."""

    def __init__(self, pieces: Iterator[bytes], over: Callable[[], None]) -> None:
        self._pieces, self._over = pieces, over
        self._first: list[bytes] = []
        self._is_open = True

    def begin(self) -> None:
        """Make the first piece: what is wrong by then can still be said."""
        for piece in self._pieces:
            self._first = [piece]
            return

    def __iter__(self) -> Iterator[bytes]:
        return self

    @property
    def first(self) -> bytes:
        """The piece that is made by now."""
        return self._first[0] if self._first else b""

    def __next__(self) -> bytes:
        return self._first.pop() if self._first else next(self._pieces)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                close: Callable[[], None] | None = getattr(self._pieces, "close", None)
                if close is not None:
                    close()
            finally:
                self._over()


def begun(request: Request, pieces: Iterator[bytes], over: Callable[[], None] = lambda: None) -> Stream:
    """Raises the 503 of a house that is busy, and what the first piece raises."""
    seats = _seats
    if not seats.acquire(blocking=False):
        raise Problem(503, "busy", BUSY, 5.0)

    def leave() -> None:
        try:
            over()
        finally:
            seats.release()

    stream = Stream(pieces, leave)
    try:
        _be_patient(request)
        stream.begin()
    except BaseException:
        stream.close()
        raise
    return stream


def _be_patient(request: Request) -> None:
    """gunicorn's threads write to a socket that would wait for ever."""
    found = request.META.get("gunicorn.socket")
    if isinstance(found, socket.socket):
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
