"""Ask for the configuration: at the start, when the backend says that it changed, and again after trouble, forever."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import connections
from django.utils import timezone

from proxy.backend import remembered
from proxy.backend.keeping import keep
from proxy.backend.reading import read
from proxy.link import rest
from proxy.link.patience import pause_after

log = logging.getLogger(__name__)

ANYWAY_AFTER: Final = 600.0  # seconds: an event may have been lost
NOT_MORE_OFTEN: Final = (
    1.0  # seconds: a backend that says all the time that something changed is asked now and then
)


def ask_once() -> bool:
    """Whether the backend said something that now holds."""
    answer = rest.configuration(settings.ITH_URL, settings.ITH_TOKEN)
    now = timezone.now()
    if isinstance(answer, rest.Trouble):
        log.warning("configuration: %s", answer.reason)
        remembered.note_trouble(answer.kind, answer.reason, now)
        return False
    reading = read(answer.what, remembered.last_known())
    changes = keep(reading, now)
    for one in reading.refused:
        log.warning("configuration: refused %s", one)
    if reading.unknown:
        log.info("configuration: we do not know %s", ", ".join(reading.unknown))
    for sentence in changes.sentences():
        log.info("configuration: %s", sentence)
    return True


class Asker:
    """A thread of its own, so that a backend that answers slowly delays no health message."""

    def __init__(
        self,
        ask: Callable[[], bool] = ask_once,
        chance: Callable[[], float] = random.random,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """`then` is called when something new holds."""
        self._ask, self._chance, self._then = ask, chance, then
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="asker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self) -> None:
        """Ask now; several wishes while one is asked are one."""
        self._wanted.set()

    def stop(self, grace: float) -> None:
        self._stopped.set()
        self._wanted.set()
        self._thread.join(grace)

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            self._wanted.clear()
            failures = 0 if self._quietly() else failures + 1
            self._stopped.wait(NOT_MORE_OFTEN)
            pause = pause_after(failures, self._chance()) if failures else ANYWAY_AFTER
            self._wanted.wait(pause)
        connections.close_all()

    def _quietly(self) -> bool:
        try:
            has_said = self._ask()
            if has_said:
                self._then()
            return has_said
        except Exception as trouble:
            log.error("configuration: %s while asking; it is tried again", type(trouble).__name__)
            return False
        finally:
            connections.close_all()
