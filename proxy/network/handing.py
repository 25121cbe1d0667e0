"""Connections go from the process that accepts them to one that serves them, over a pair of Unix sockets.

One way go connections, each with the number of its port and its ticket (`doorstep.py`); back comes what became of
a ticket. A process that serves reads until the other end is closed for writing: then none will follow.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

HANDED = struct.Struct("!BQ")  # port, ticket
REPORT = struct.Struct("!BQ")  # what, ticket; of READY: how many associations are allowed
READY, SEATED, GONE = range(3)


@dataclass(frozen=True, slots=True)
class Handed:
    port: int
    ticket: int
    connection: socket.socket


def pair() -> tuple[socket.socket, socket.socket]:
    """The accepting end, which never waits, and the serving end."""
    accepting, serving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    accepting.setblocking(False)
    return accepting, serving


def hand(line: socket.socket, port: int, ticket: int, connection: socket.socket) -> bool:
    """False: the process at the other end is gone, or so far behind that another should serve."""
    try:
        return socket.send_fds(line, [HANDED.pack(port, ticket)], [connection.fileno()]) > 0
    except OSError:
        return False


def received(line: socket.socket) -> Iterator[Handed]:
    """Connections as they come, until none will follow."""
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(line, HANDED.size, 1)
        except OSError:
            return
        if not message:
            return
        port, ticket = HANDED.unpack(message)
        for descriptor in descriptors:
            yield Handed(port, ticket, socket.socket(fileno=descriptor))


class Reports:
    """The serving end's `doorstep.Standing`: it passes on what the other end counts."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def arrive(self, address: str) -> int | None:
        """Nobody arrives here: connections come with the ticket they got where they were accepted."""
        raise NotImplementedError("this process accepts nobody")

    def ready(self, most: int) -> None:
        """By its settings so many associations may be open."""
        self._say(READY, most)

    def seated(self, ticket: int) -> None:
        self._say(SEATED, ticket)

    def gone(self, ticket: int) -> None:
        self._say(GONE, ticket)

    def _say(self, what: int, ticket: int) -> None:
        with suppress(OSError):  # the other end is dead: nobody counts any more
            self._line.send(REPORT.pack(what, ticket))


def heard(line: socket.socket) -> Iterator[tuple[int, int]]:
    """What and ticket of every report that has come so far."""
    while True:
        try:
            message = line.recv(REPORT.size)
        except OSError:
            return
        if not message:
            return
        yield REPORT.unpack(message)
