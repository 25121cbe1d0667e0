"""Pixel data of the top level: passed through as they come, followed only far enough to know where they end."""

from typing import Final

from proxy.deid.errors import Unreadable

_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0"
_BIG_ITEM: Final = b"\xff\xfe\xe0\x00"
OPEN: Final = 0xFFFFFFFF


class Bulk:
    """Takes views in order; says how many of their bytes belong to the value."""

    __slots__ = ("_head", "_open", "_rest", "done")

    def __init__(self, length: int) -> None:
        self._open = length == OPEN
        self._rest = 0 if self._open else length  # bytes until the value or the fragment ends
        self._head = b""
        self.done = length == 0

    def take(self, view: memoryview) -> int:
        """How many bytes from the front of view are the value's; sets `done` when it ends there."""
        if not self._open:
            used = min(self._rest, len(view))
            self._rest -= used
            self.done = self._rest == 0
            return used
        return self._fragments(view)

    def _fragments(self, view: memoryview) -> int:
        pos, size = 0, len(view)
        while pos < size and not self.done:
            if self._rest:
                step = min(self._rest, size - pos)
                self._rest -= step
                pos += step
                continue
            step = min(8 - len(self._head), size - pos)
            self._head += view[pos : pos + step]
            pos += step
            if len(self._head) == 8:
                self._next()
        return pos

    def _next(self) -> None:
        tag, length = self._head[:4], int.from_bytes(self._head[4:], "little")
        self._head = b""
        if tag == _END:
            self.done = True
        elif tag == _ITEM and length != OPEN:
            self._rest = length
        else:
            raise Unreadable("no fragment where one belongs in the pixel data")
