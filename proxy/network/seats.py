"""How many associations may be open at once, in one process or in all that serve the same ports.

Processes share a page of memory with one counter for each of them. Taking a seat adds up all counters under a
lock that the kernel takes back when its holder dies; whoever reaps a dead process clears its counter. So a limit
of 50 is a limit of 50, whoever crashes.
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Seats:
    """Several listeners of a process can share them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            free = self._taken_by_all() < self.most
            self._taken += free
            return free

    def leave(self) -> None:
        with self._lock:
            self._taken -= 1

    def _taken_by_all(self) -> int:
        return self._taken


class Board:
    """The page: as many counters as there can be processes at once."""

    SLOTS = 1024

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, self.SLOTS * 4)
        self._counts = memoryview(self._memory).cast("I")

    @classmethod
    def made(cls) -> "Board":
        descriptor = os.memfd_create("seats")
        os.ftruncate(descriptor, cls.SLOTS * 4)
        return cls(descriptor)

    @contextmanager
    def locked(self) -> Iterator[memoryview]:
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            yield self._counts
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)

    def clear(self, slot: int) -> None:
        """Its process is gone, and with it every association it had."""
        with self.locked() as counts:
            counts[slot] = 0

    def taken(self) -> int:
        with self.locked() as counts:
            return sum(counts)

    def close(self) -> None:
        self._counts.release()
        self._memory.close()
        os.close(self.descriptor)


class SharedSeats(Seats):
    """The seats as the process sees them that has this slot of the board."""

    def __init__(self, most: int, board: Board, slot: int) -> None:
        super().__init__(most)
        self._board, self._slot = board, slot

    def take(self) -> bool:
        with self._lock, self._board.locked() as counts:
            free = sum(counts) < self.most
            counts[self._slot] += free
            return free

    def leave(self) -> None:
        with self._lock, self._board.locked() as counts:
            counts[self._slot] -= 1
