"""A thread that goes its round again and again. No trouble ends it: the round is made again after the pause."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from django.db import close_old_connections, connections

log = logging.getLogger(__name__)

PAUSE: Final = 1.0  # seconds


class Rounds:
    """`what` stands in the log with the kind of a trouble, never with its words: they could quote anything. `first` is
    the pause before the first round, where that is another one."""

    def __init__(
        self, what: str, step: Callable[[], object], pause: float = PAUSE, first: float | None = None
    ) -> None:
        self._what, self._step, self._pause = what, step, pause
        self._first = pause if first is None else first
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=what, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> None:
        """After the round it is in, if that ends within `grace` seconds."""
        self._stop.set()
        self._thread.join(grace)

    def going(self) -> bool:
        """For a long round, which asks between its steps."""
        return not self._stop.is_set()

    def _run(self) -> None:
        pause = self._first
        while not self._stop.wait(pause):
            pause = self._pause
            try:
                close_old_connections()
                self._step()
            except Exception as trouble:
                log.error("%s ended in %s; it is tried again", self._what, type(trouble).__name__)
                connections.close_all()
        connections.close_all()
