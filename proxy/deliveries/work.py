"""The crew: a few threads that do what is due, and one that looks after them.

A destination has one running delivery, so one that hangs costs the others one worker. If all workers have been at
slow deliveries for a while and something is due elsewhere, a spare one joins until there is nothing left for it:
whoever is slow delays only itself (promise 10). Who rested is probed on threads beside them. Workers that died with
their process are rescued here, too.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.db import close_old_connections, connections
from django.utils import timezone

from proxy.deliveries import attempt, probing, queue
from proxy.deliveries.originals import NO_ORIGINALS, Originals

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
MOST = 64


def deliver_one(now: datetime, originals: Originals = NO_ORIGINALS) -> bool:
    """Do the next due delivery, whatever its outcome. False: there was none. Who rested is probed first."""
    while probing.probe_one(now):
        pass
    claim = queue.claim(now, secrets.token_hex(16))
    if claim is not None:
        attempt.make(claim, originals=originals)
    return claim is not None


class Workers:
    """`originals` is what makes them, where images go out restored."""

    def __init__(
        self,
        count: int,
        idle: float = IDLE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        originals: Originals = NO_ORIGINALS,
    ) -> None:
        self._count = count
        self._originals = originals
        self._idle = idle
        self._patience = patience
        self._stop = threading.Event()
        self._news = threading.Event()
        self._lock = threading.Lock()
        self._busy_since: dict[threading.Thread, float] = {}
        self._threads: list[threading.Thread] = []
        self._probers: list[threading.Thread] = []
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        for _ in range(self._count):
            self._hire(self._work)
        self._watcher.start()

    def wake(self) -> None:
        """Something new is due: do not sleep over it."""
        self._news.set()

    def stop(self, grace: float) -> bool:
        """Let each worker end the image it is at. False: some did not within the grace; their leases will."""
        self._stop.set()
        self._news.set()
        end = time.monotonic() + grace
        self._watcher.join(grace)
        everyone = (*self._threads, *self._probers)
        for thread in everyone:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in (self._watcher, *everyone))

    def _hire(self, job: Callable[[], None]) -> None:
        thread = threading.Thread(target=_closing, args=(job,), name="worker", daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- what a worker does -----------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.is_set():
            if not self._turn():
                self._rest()

    def _help_out(self) -> None:
        while not self._stop.is_set() and self._turn():
            pass

    def _turn(self) -> bool:
        return bool(_quietly(self._deliver_next))

    def _deliver_next(self) -> bool:
        claim = queue.claim(timezone.now(), secrets.token_hex(16))
        if claim is None:
            return False
        me = threading.current_thread()
        with self._lock:
            self._busy_since[me] = time.monotonic()
        try:
            attempt.make(claim, self._stop.is_set, self._originals)
        finally:
            with self._lock:
                del self._busy_since[me]
        return True

    def _rest(self) -> None:
        self._news.wait(self._idle)
        if not self._stop.is_set():
            self._news.clear()

    # --- what the watcher does --------------------------------------------------------------------

    def _watch(self) -> None:
        _closing(self._look_after_them)

    def _look_after_them(self) -> None:
        while not self._stop.wait(self._idle):
            _quietly(lambda: queue.rescue(timezone.now(), random.random()))
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            _quietly(self._send_probers)
            if self._all_are_slow() and _quietly(lambda: queue.is_due(timezone.now())):
                self._hire(self._help_out)

    def _send_probers(self) -> int:
        """Each on a thread of its own: no worker waits for a destination that may keep silent."""
        self._probers = [thread for thread in self._probers if thread.is_alive()]
        some = min(probing.due(timezone.now()), MOST - len(self._probers))
        for _ in range(some):
            thread = threading.Thread(target=_closing, args=(self._probe,), name="prober", daemon=True)
            self._probers.append(thread)
            thread.start()
        return some

    def _probe(self) -> None:
        if _quietly(lambda: probing.probe_one(timezone.now())):
            self.wake()

    def _all_are_slow(self) -> bool:
        with self._lock:
            since = list(self._busy_since.values())
        everyone = len(self._threads)
        return len(since) == everyone < MOST and max(since, default=0.0) < time.monotonic() - self._patience


def _closing(job: Callable[[], None]) -> None:
    """A thread's database connection ends with the thread."""
    try:
        job()
    finally:
        connections.close_all()


def _quietly(step: Callable[[], int]) -> int:
    """No trouble ends a thread, above all not the database's: it is tried again after a rest."""
    try:
        close_old_connections()
        return step()
    except Exception as trouble:
        log.error("a worker's step ended in %s; it is tried again", type(trouble).__name__)
        connections.close_all()
        return 0
