"""pynetdicom's requestor reads its answers itself and stops its reader for that, but may believe too early that the
reader stands still: a quick answer is then read by the reader, who wants none, and whoever asked waits for nothing.

Between "I am paused" and the end of its wait the reader may be past it already. Here it is paused only while it waits.
"""

import threading
from typing import Any

from pynetdicom.association import Association


class Checkpoint(threading.Event):
    def __init__(self) -> None:
        super().__init__()
        self._order = threading.Lock()
        self.is_waited_at = False

    def set(self) -> None:
        with self._order:
            self.is_waited_at = False
            super().set()

    def wait(self, timeout: float | None = None) -> bool:
        with self._order:
            if self.is_set():
                return True
            self.is_waited_at = True
        return super().wait(timeout)


def teach() -> None:
    """For every association that a test opens with pynetdicom. Our own subclasses have no such reader."""
    made = Association.__init__

    def make(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        if type(self) is Association:
            self._reactor_checkpoint = Checkpoint()
            self._reactor_checkpoint.set()

    def _is_paused(self: Any) -> bool:
        if not self.__dict__.get("_says_paused", False) or type(self) is not Association:
            return bool(self.__dict__.get("_says_paused", False))
        is_over = getattr(self, "_kill", False) or threading.current_thread() is self
        return is_over or getattr(self._reactor_checkpoint, "is_waited_at", True)

    def says(self: Any, value: bool) -> None:
        self.__dict__["_says_paused"] = value

    Association.__init__ = make
    Association._is_paused = property(_is_paused, says)
