"""Run until SIGTERM or SIGINT says stop; hear what other signals ask for."""

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


class Asked:
    """A signal that asks for something, again and again."""

    def __init__(self, number: signal.Signals) -> None:
        self._event = threading.Event()
        signal.signal(number, lambda *_: self._event.set())

    def take(self) -> bool:
        """Whether it was asked since the last time."""
        asked = self._event.is_set()
        self._event.clear()
        return asked
