"""Somebody who looks after one request: `requests` bounds each silence, but not the whole.

A peer that answers one byte a second is never silent and would keep a worker for days; and Postern may be asked to
stop while a peer thinks. In both cases the watch shuts the socket down, which wakes up whoever reads from it.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter

LOOK_EVERY = 0.5


class Watch:
    """In `with`, around one request. `too_long` and `stopped` say afterwards whether it was cut, and why."""

    def __init__(self, keep_going: Callable[[], bool], longest: float) -> None:
        self._keep_going = keep_going
        self._longest = longest
        self._ends_at: float | None = None
        self._socket: socket.socket | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.too_long = False
        self.stopped = False

    def holds(self, sock: socket.socket | None) -> None:
        self._socket = sock

    def sent(self) -> None:
        """All is sent: from now on the answer has its time."""
        self._ends_at = time.monotonic() + self._longest

    def go_on(self) -> bool:
        self.stopped = self.stopped or not self._keep_going()
        return not self.stopped

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self.too_long = self._ends_at is not None and time.monotonic() > self._ends_at
            if self.too_long or not self.go_on():
                self._cut()
                return

    def _cut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class WatchedAdapter(HTTPAdapter):
    """Tells the watch of the moment which socket it may cut, and gives a send its own patience."""

    def __init__(self, silence: float) -> None:
        super().__init__(max_retries=0)
        self._silence = silence
        self._last: socket.socket | None = None
        self._watch: Watch | None = None

    def watched_by(self, watch: Watch) -> None:
        self._watch = watch
        watch.holds(self._last)  # a connection that is kept alive is not made anew

    def takes(self, sock: socket.socket | None) -> None:
        self._last = sock
        if self._watch is not None:
            self._watch.holds(sock)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not hasattr(pool.ConnectionCls, "postern"):
            pool.ConnectionCls = _told(pool.ConnectionCls, self)
        return pool


def _told(kind: Any, adapter: WatchedAdapter) -> Any:
    class Told(kind):  # type: ignore[misc]
        """A connection of urllib3 that says which socket it has: first the bare one, later that of TLS."""

        postern = True

        def _new_conn(self) -> Any:
            sock = super()._new_conn()
            adapter.takes(sock)
            return sock

        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(adapter._silence)
            adapter.takes(self.sock)

    return Told
