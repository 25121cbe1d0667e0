"""The body of a request, piece by piece: never whole in memory, never in a file, and no thread waits for it for ever.

Django would put an upload into a file, with the identities in it; so it is read from where the web server has it. Who
keeps a piece waiting longer than PATIENCE is cut off: a few callers who say nothing would else be all that we serve.
"""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Final

from proxy.api.bodies import NO_LENGTH, too_large
from proxy.api.problems import Problem

PIECE: Final = 64 << 10  # bytes
PATIENCE: Final = 30.0  # seconds for each piece
LINGERING: Final = 2.0  # seconds
MOST_PASSED: Final = 64 << 20  # bytes
TOO_SLOW: Final = f"The body comes too slowly: each {PIECE >> 10} KiB may take {PATIENCE:.0f} seconds."
BROKEN_OFF: Final = "The body broke off before its end."


@dataclass(slots=True)
class _Read:
    """A read that somebody waits for."""

    line: socket.socket | None  # none where another web server serves, as in tests: then nobody is cut off
    until: float
    is_late: bool = False


class Watch:
    """Ends reads that take too long, from a thread of its own: the one that waits can do nothing."""

    def __init__(self, patience: float = PATIENCE, look_every: float = 1.0) -> None:
        self._patience, self._look_every = patience, look_every
        self._reads: dict[int, _Read] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, line: socket.socket | None) -> Iterator[_Read]:
        one = _Read(line, time.monotonic() + self._patience)
        with self._lock:
            self._reads[id(one)] = one
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="slow bodies", daemon=True)
                self._thread.start()
        try:
            yield one
        finally:
            with self._lock:
                del self._reads[id(one)]

    def _run(self) -> None:
        """As long as there is anything to look at."""
        while True:
            time.sleep(self._look_every)
            with self._lock:
                if not self._reads:
                    self._thread = None
                    return
                late = [one for one in self._reads.values() if one.until < time.monotonic()]
                for one in late:
                    _cut(one)


def _cut(one: _Read) -> None:
    """Whoever waits for it reads the end."""
    if one.line is None:
        return
    one.is_late = True
    with suppress(OSError):
        one.line.shutdown(socket.SHUT_RD)


watch, lingering = Watch(), Watch(LINGERING)


@dataclass(slots=True)
class Body:
    stream: IO[bytes]
    length: int | None  # None: it comes in chunks, whose end the web server knows
    most: int
    line: socket.socket | None = None
    by: Watch | None = None  # who ends what takes too long; `watch`, unless somebody else is said
    taken: int = field(init=False, default=0)

    @classmethod
    def of(cls, meta: Mapping[str, Any], most: int) -> "Body":
        """`meta` as WSGI says it. Raises Problem."""
        said = str(meta.get("CONTENT_LENGTH") or "")
        if not said and not meta.get("wsgi.input_terminated"):
            raise Problem(411, "no-length", NO_LENGTH)
        return cls(meta["wsgi.input"], int(said) if said else None, most, meta.get("gunicorn.socket"))

    def pieces(self) -> Iterator[bytes]:
        """Raises the Problem of a body that is too large, too slow, or not whole."""
        while wanted := self._wanted():
            piece = self._read(wanted)
            self.taken += len(piece)
            if self.taken > self.most:
                raise too_large(self.most)
            if not piece and self.length is not None:
                raise Problem(400, "broken-off", BROKEN_OFF)
            if not piece:
                return
            yield piece

    def _wanted(self) -> int:
        return PIECE if self.length is None else min(PIECE, self.length - self.taken)

    def _read(self, wanted: int) -> bytes:
        with (self.by or watch).over(self.line) as one:
            try:
                return self.stream.read(wanted)
            except Exception:
                raise Problem(400, "broken-off", BROKEN_OFF) from None
            finally:
                if one.is_late:
                    raise Problem(408, "too-slow", TOO_SLOW)


def let_pass(meta: Mapping[str, Any]) -> None:
    """Some of what is still coming, so that whoever is refused can read why: a connection that is closed while they
    send tells them nothing."""
    if not meta.get("wsgi.input_terminated"):
        return  # this server does not know where the request ends
    rest = Body(meta["wsgi.input"], None, MOST_PASSED, meta.get("gunicorn.socket"), lingering)
    end = time.monotonic() + LINGERING
    with suppress(Problem):
        for _ in rest.pieces():
            if time.monotonic() > end:
                return
