"""The way to a destination: open, or dead in one of the ways in which a destination is dead.

A gate has one port for all of its life, so whoever sends there notices nothing but how it is answered. It works on
bytes: what stands behind it may be a PACS, a DICOMweb service or the backend.
"""

import errno
import socket
import threading
import time
from contextlib import suppress
from enum import StrEnum

from tests.cluster import free_port

HERE = "127.0.0.1"
LOOK_EVERY = 0.05
PIECE = 1 << 16
KNOCKS = 8  # more than a backlog of nothing holds


class Way(StrEnum):
    OPEN = "open"
    REFUSING = "refusing"
    SILENT = "accepting and silent"
    UNANSWERED = "never answering the connect"
    TRICKLING = "answering one byte a second"


DEAD = (Way.REFUSING, Way.SILENT, Way.UNANSWERED, Way.TRICKLING)


class Gate:
    """In `with`. `pause`: seconds after each byte of an answer that trickles."""

    def __init__(self, target: int, pause: float = 1.0) -> None:
        self._target, self._pause = target, pause
        self._way = Way.OPEN
        self._busy = threading.Lock()
        self._over = threading.Event()
        self._held: list[socket.socket] = []  # of callers, and of what they are connected with
        self._knocking: list[socket.socket] = []
        self.port = (
            free_port()
        )  # by its number: one that the system chooses is given up by a door that closes
        self._door = socket.socket()
        self._door.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # or callers that linger keep it closed
        self._door.bind((HERE, self.port))
        self._door.listen(128)
        self._door.setblocking(False)
        self._porter = threading.Thread(target=self._keep, name="gate", daemon=True)

    def __enter__(self) -> "Gate":
        self._porter.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._over.set()
        self._porter.join(10)
        self._drop()
        self._door.close()

    def become(self, way: Way) -> None:
        """From now on. Whoever was connected is cut off, as by a crash."""
        with self._busy:
            self._way = way
            self._drop()
            if way is Way.REFUSING:
                with suppress(OSError):
                    self._door.shutdown(socket.SHUT_RDWR)  # stays bound: the port is nobody else's
                return
            self._door.listen(0 if way is Way.UNANSWERED else 128)
            if way is Way.UNANSWERED:
                self._fill()

    def _fill(self) -> None:
        """Linux answers no connect while as many wait to be accepted as the backlog holds."""
        for _ in range(KNOCKS):
            knock = socket.socket()
            knock.setblocking(False)
            self._knocking.append(knock)
            assert knock.connect_ex((HERE, self.port)) in {0, errno.EINPROGRESS}
        time.sleep(LOOK_EVERY)

    def _drop(self) -> None:
        held, self._held = self._held, []
        for one in [*held, *self._knocking]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._knocking = []

    def _keep(self) -> None:
        while not self._over.is_set():
            with self._busy:
                accepted = self._way not in {Way.REFUSING, Way.UNANSWERED} and self._accept()
            if not accepted:
                self._over.wait(LOOK_EVERY)

    def _accept(self) -> bool:
        try:
            caller, _ = self._door.accept()
        except OSError:
            return False
        caller.setblocking(True)
        self._held.append(caller)
        if self._way is not Way.SILENT:
            self._connect(caller)
        return True

    def _connect(self, caller: socket.socket) -> None:
        try:
            called = socket.create_connection((HERE, self._target), timeout=10)
        except OSError:
            return caller.close()
        called.settimeout(None)
        self._held.append(called)
        slow = self._pause if self._way is Way.TRICKLING else 0.0
        for source, sink, pause in ((caller, called, 0.0), (called, caller, slow)):
            threading.Thread(target=_carry, args=(source, sink, pause), name="carry", daemon=True).start()
        return None


def _carry(source: socket.socket, sink: socket.socket, pause: float) -> None:
    """Until either end is gone; then the other one is told."""
    with suppress(OSError):
        while piece := source.recv(1 if pause else PIECE):
            sink.sendall(piece)
            time.sleep(pause)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
