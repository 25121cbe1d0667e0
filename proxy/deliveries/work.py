"""The workers: claim, pack, let the agent send, finish. All they know that matters stands in the database.

A claim is held by a heartbeat that renews its lease while the agent works. Losing the lease, or being asked
to stop, makes the agent stop after the image it is at; what was acknowledged until then stays acknowledged.
"""

import contextlib
import logging
import random
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connections
from django.utils import timezone

from proxy.deliveries import packing, queue
from proxy.deliveries.agents import AGENTS
from proxy.deliveries.outcomes import Outcome, TryLater
from proxy.deliveries.parcel import Parcel
from proxy.deliveries.queue import Claim

log = logging.getLogger(__name__)

BATCH = 64
BATCH_SECONDS = 1.0
IDLE_SECONDS = 1.0


def _never() -> bool:
    return False


def deliver_one(now: datetime, stopping: Callable[[], bool] = _never) -> bool:
    """Do the next due delivery, whatever its outcome. False: there was none."""
    claim = queue.claim(now, secrets.token_hex(16))
    if claim is None:
        return False
    with _Heartbeat(claim) as heartbeat:
        outcome = _attempt(claim, lambda: heartbeat.beats() and not stopping())
    kept = queue.finish(claim, outcome, timezone.now(), random.random())
    log.info(
        "delivery %s: %s%s",
        claim.delivery_id,
        type(outcome).__name__,
        "" if kept else ", but the claim was lost",
    )
    return True


def _attempt(claim: Claim, keep_going: Callable[[], bool]) -> Outcome:
    """Any surprise inside is our own trouble: it rests no destination and loses no progress."""
    progress = _Progress(claim, keep_going)
    try:
        parcel = packing.pack(claim)
        if isinstance(parcel, TryLater):
            return parcel
        return _send(parcel, progress)
    except DatabaseTrouble as trouble:
        return _surprise(claim, trouble, "The database did not take the progress")
    except Exception as trouble:
        return _surprise(claim, trouble, "The delivery stopped by a fault of Postern's own")


def _send(parcel: Parcel, progress: "_Progress") -> Outcome:
    try:
        return AGENTS[parcel.kind](parcel, progress.add, progress.keep_going)
    finally:
        progress.flush()


def _surprise(claim: Claim, trouble: Exception, what: str) -> TryLater:
    """The place and the kind are logged, not the message: it could quote anything."""
    where = traceback.extract_tb(trouble.__traceback__)[-1]
    kind = type(trouble).__name__
    log.error("delivery %s: %s in %s line %s", claim.delivery_id, kind, where.name, where.lineno)
    return TryLater(f"{what} ({kind}); the log says where.", rests=False)


class _Progress:
    """Acknowledgements on their way into the database, in batches.

    A hiccup of the database while an agent sends costs nothing: the batch stays and goes with the next one.
    Only the last flush must succeed.
    """

    def __init__(self, claim: Claim, keep_going: Callable[[], bool]) -> None:
        self._claim = claim
        self._may_go_on = keep_going
        self._waiting: list[int] = []
        self._flushed_at = time.monotonic()
        self._lost = False

    def add(self, ordinals: Sequence[int]) -> None:
        self._waiting.extend(ordinals)
        if len(self._waiting) >= BATCH or time.monotonic() - self._flushed_at >= BATCH_SECONDS:
            with contextlib.suppress(DatabaseTrouble):
                self.flush()

    def flush(self) -> None:
        self._flushed_at = time.monotonic()
        if self._waiting and not queue.progress(self._claim, self._waiting):
            self._lost = True
        self._waiting = []

    def keep_going(self) -> bool:
        return not self._lost and self._may_go_on()


class _Heartbeat:
    """Renews the lease from a thread of its own. Only a whole lease without the database loses it."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._lease = queue.pace().lease.total_seconds()
        self._over = threading.Event()
        self._held_until = time.monotonic() + self._lease
        self._thread = threading.Thread(target=self._run, name=f"lease-{claim.delivery_id}", daemon=True)

    def beats(self) -> bool:
        return time.monotonic() < self._held_until

    def __enter__(self) -> "_Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.wait(self._lease / 3) and self.beats():
                self._renew()
        finally:
            connections.close_all()

    def _renew(self) -> None:
        asked_at = time.monotonic()
        try:
            kept = queue.renew(self._claim, timezone.now())
        except DatabaseTrouble:
            close_old_connections()
            return
        self._held_until = asked_at + self._lease if kept else 0.0


class Workers:
    """A destination has one running delivery, so one that hangs costs the others one of `count` threads."""

    def __init__(self, count: int, idle: float = IDLE_SECONDS) -> None:
        self._idle = idle
        self._stop = threading.Event()
        self._news = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{n}", daemon=True) for n in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something new is due: do not sleep over it."""
        self._news.set()

    def stop(self, grace: float) -> bool:
        """Let each worker end the image it is at. False: some did not within the grace; their leases will."""
        self._stop.set()
        self._news.set()
        end = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._turn():
                    self._rest()
        finally:
            connections.close_all()

    def _turn(self) -> bool:
        try:
            close_old_connections()
            now = timezone.now()
            queue.rescue(now, random.random())
            return deliver_one(now, self._stop.is_set)
        except Exception as trouble:
            log.error("a worker's turn ended in %s", type(trouble).__name__)
            connections.close_all()
            return False

    def _rest(self) -> None:
        self._news.wait(self._idle)
        if not self._stop.is_set():
            self._news.clear()
