"""How the house is, really asked: listener, database, disks. One look at a time, a few seconds old at most.

A look runs on a thread of its own, so that a database or a disk that hangs costs whoever asks some seconds, and not
the web process its threads. Whoever comes while one is under way waits for it; if it takes too long, that is an answer
too.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connections

from proxy.routing import listener
from proxy.routing.models import Project
from proxy.storage import space

log = logging.getLogger(__name__)

FRESH_FOR: Final = 3.0  # seconds
PATIENCE: Final = 4.0
MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What was looked at, and whether it was well."""

    parts: Mapping[str, bool]

    @property
    def is_well(self) -> bool:
        return all(self.parts.values())


def reads() -> bool:
    return listener.reads(PATIENCE)


def database() -> bool:
    """A row of a table of ours, or that there is none: either way it was read."""
    Project.objects.order_by("pk").first()
    return True


def disk() -> bool:
    """Whether images would be taken: above DISK_WATERMARK wherever something is written."""
    folders = {Path(settings.DATA_DIR), Path(settings.DICOM_STORAGE_DIR)}
    return all(space.free(one) > settings.DISK_WATERMARK * MEGABYTE for one in folders)


PARTS: Final[Mapping[str, Callable[[], bool]]] = {"database": database, "disk": disk, "listener": reads}


class Looker:
    def __init__(
        self,
        parts: Mapping[str, Callable[[], bool]] = PARTS,
        patience: float = 2 * PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts, self._patience, self._clock = parts, patience, clock
        self._lock = threading.Lock()
        self._done: threading.Event | None = None  # of the look under way
        self._began = 0.0
        self._latest: tuple[float, Look] | None = None

    def look(self) -> Look:
        with self._lock:
            if self._latest is not None and self._clock() - self._latest[0] < FRESH_FOR:
                return self._latest[1]
            done = self._done or self._begin()
            left = self._patience - (self._clock() - self._began)
        if not done.wait(max(0.0, left)) or self._latest is None:
            return Look(dict.fromkeys(self._parts, False))
        return self._latest[1]

    def _begin(self) -> threading.Event:
        self._began, self._done = self._clock(), threading.Event()
        threading.Thread(target=self._run, args=(self._done,), name="looker", daemon=True).start()
        return self._done

    def _run(self, done: threading.Event) -> None:
        found = Look({name: _quietly(name, ask) for name, ask in self._parts.items()})
        connections.close_all()
        with self._lock:
            self._latest, self._done = (self._clock(), found), None
        done.set()


def _quietly(name: str, ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except Exception as trouble:
        log.warning("health: the %s could not be asked (%s)", name, type(trouble).__name__)
        return False
