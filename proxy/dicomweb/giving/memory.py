"""Memory that all answers together may take for pixels: asked for before it is taken, and waited for if others have it.

What lies in a file costs next to nothing, because it is mapped. What counts is made here: frames that are decoded,
pictures, and images that have to be whole in memory (restored, inflated, turned around).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic
from typing import Final

from django.conf import settings

from proxy.api.problems import Problem

ALL: Final = 2 << 30  # bytes, where DICOM_MEMORY_LIMIT allows as much twice over
WITHIN: Final = 20.0  # seconds until there is some
BUSY: Final = "As much as can be is decoded just now; ask again in a while."


def most() -> int:
    """Twice what images on their way may hold: a machine that is told to be small is small in this, too."""
    return min(ALL, 2 * settings.DICOM_MEMORY_LIMIT << 20)


class TooLarge(Exception):
    """More than all of it. A sentence."""


class Room:
    def __init__(self, size: int, within: float = WITHIN) -> None:
        self._free, self._size, self._within = size, size, within
        self._changed = Condition()

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Raises TooLarge, and the 503 of a house that is busy."""
        self._take(size)
        try:
            yield
        finally:
            self.give_back(size)

    def lease(self, size: int) -> "Lease":
        """Until nobody holds it any more. Raises the same."""
        self._take(size)
        return Lease(self, size)

    def _take(self, size: int) -> None:
        if size > self._size:
            raise TooLarge("It is too large to be decoded here.")
        until = monotonic() + self._within
        with self._changed:
            while self._free < size:
                if not self._changed.wait(until - monotonic()):
                    raise Problem(503, "busy", BUSY, 5.0)
            self._free -= size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


class Lease:
    """For what lives as long as whoever looks into it: an image in memory, of which views are handed on."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room, size: int) -> None:
        self._room, self._size = room, size

    def __del__(self) -> None:
        self._room.give_back(self._size)


room: Final = Room(most())
