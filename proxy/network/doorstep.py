"""Who stands at the door: connections are counted before anything of them is read.

A connection that has not yet got an association costs a thread and a buffer, so there is a wall around all of
those, and a lower one around those of one address: a flood from one machine leaves room for everybody else's.
Both are above what an honest hospital needs, because whoever meets a wall is hung up on without a word. Those
that have their association are counted by the seats.
"""

import ipaddress
import threading
from collections import Counter
from typing import Any, Protocol

SPARE = 32  # so many more than one address may bring at once
FEWEST = 16  # that one address may bring at once, however few associations are allowed


def caller_at(address: Any) -> tuple[str, int]:
    """Host and port of a caller; one of IPv4 that a port of both families shows as ::ffff:a.b.c.d is that a.b.c.d."""
    host, port = str(address[0]), int(address[1])
    if host.startswith("::ffff:"):
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
        host = str(mapped) if mapped is not None else host
    return host, port


class Standing(Protocol):
    """What becomes of a connection, told to whoever counts it."""

    def arrive(self, address: str) -> int | None:
        """A connection's ticket, or None where there is no room for it."""
        ...

    def seated(self, ticket: int) -> None:
        """It has its association."""

    def gone(self, ticket: int) -> None:
        """It is closed. Saying so twice does no harm."""


class Doorstep:
    """The counting itself, from any thread."""

    def __init__(self, associations: int) -> None:
        self.allow(associations)
        self._lock = threading.Lock()
        self._last_ticket = 0
        self._waiting: dict[int, str] = {}
        self._seated: set[int] = set()
        self._by_address: Counter[str] = Counter()

    def allow(self, associations: int) -> None:
        """So many associations may be open from now on."""
        self._share = max(FEWEST, associations)

    def arrive(self, address: str) -> int | None:
        with self._lock:
            if len(self._waiting) >= self._share + SPARE or self._by_address[address] >= self._share:
                return None
            self._last_ticket += 1
            self._waiting[self._last_ticket] = address
            self._by_address[address] += 1
            return self._last_ticket

    def seated(self, ticket: int) -> None:
        with self._lock:
            if self._leaves_the_step(ticket):
                self._seated.add(ticket)

    def gone(self, ticket: int) -> None:
        with self._lock:
            self._leaves_the_step(ticket)
            self._seated.discard(ticket)

    def _leaves_the_step(self, ticket: int) -> bool:
        address = self._waiting.pop(ticket, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
        return address is not None

    def standing(self) -> int:
        """All connections that are open."""
        with self._lock:
            return len(self._waiting) + len(self._seated)
