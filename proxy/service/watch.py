"""Whoever sends or takes bytes too slowly is let go, so that no thread waits for them for ever.

A server's read ends when its connection does. So one thread looks at all connections that are being read or written,
and ends those that had their time: some seconds, and as many more as their bytes would take on a slow line. Of a
sender's time only that counts in which we wait for them: how long we work on what has come is no fault of theirs.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

SLOWEST: Final = 256 << 10  # bytes in a second, on average
LOOK_EVERY: Final = 1.0


@dataclass(slots=True, eq=False)
class Watched:
    """One direction of one connection. `moved`: how many bytes may have gone by now."""

    connection: Any
    how: int  # which direction is ended
    moved: Callable[[], int]
    since: float | None = None  # waited for from then on; None while it is not
    waited: float = 0.0  # seconds, before that
    is_late: bool = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.since = began = time.monotonic()
        try:
            yield
        finally:
            self.since = None
            self.waited += time.monotonic() - began

    def look(self, now: float, grace: float) -> None:
        waited, since = self.waited, self.since  # in this order: nothing is counted twice
        waited += 0.0 if since is None else now - since
        if not self.is_late and waited > grace + self.moved() / SLOWEST:
            self.is_late = True
            _end(self.connection, self.how)


class Watch:
    def __init__(self, grace: Callable[[], float], look_every: float = LOOK_EVERY) -> None:
        """`grace` in seconds, asked each time."""
        self.grace, self.look_every = grace, look_every
        self._all: set[Watched] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def reading(self, connection: Any, moved: Callable[[], int]) -> Watched:
        """What it still sends is not read; it can be answered."""
        return self._add(Watched(connection, socket.SHUT_RD, moved, since=time.monotonic()))

    def working(self, connection: Any, moved: Callable[[], int]) -> Watched:
        """As `reading`, by somebody who does more than that, and says when it is `waiting`."""
        return self._add(Watched(connection, socket.SHUT_RD, moved))

    def writing(self, connection: Any, moved: Callable[[], int]) -> Watched:
        return self._add(Watched(connection, socket.SHUT_RDWR, moved, since=time.monotonic()))

    def over(self, one: Watched) -> None:
        """Harmless when said twice."""
        with self._lock:
            self._all.discard(one)

    def _add(self, one: Watched) -> Watched:
        with self._lock:
            self._all.add(one)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
        return one

    def _run(self) -> None:
        """As long as there is anything to look at."""
        while True:
            time.sleep(self.look_every)
            with self._lock:
                some = list(self._all)
                if not some:
                    self._thread = None
                    return
            for one in some:
                one.look(time.monotonic(), self.grace())


def _end(connection: Any, how: int) -> None:
    """None where there is no connection, as in tests; gone where the other side was faster."""
    if connection is None:
        return
    try:
        connection.shutdown(how)
    except OSError:
        return


WATCH: Final = Watch(lambda: float(settings.SERVICE_PATIENCE))
