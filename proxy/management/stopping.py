"""Run until SIGTERM or SIGINT says stop."""

import signal
import threading
from types import FrameType


class Told:
    """Set by the first signal; a second one ends the process as it always would."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


def until_told() -> None:
    """In short waits: a signal that reaches another thread wakes nobody who waits without end."""
    told = Told()
    while not told.wait(0.5):
        pass
