"""One attempt at one delivery: pack, let the agent send, finish. All that matters stands in the database.

A claim is held by a heartbeat that renews its lease while the agent works. Losing the lease, or being asked
to stop, makes the agent stop after the image it is at; what was acknowledged until then stays acknowledged.
"""

import contextlib
import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from django.db import Error as DatabaseTrouble
from django.db import connections
from django.utils import timezone

from proxy.deliveries import archives, commitment, packing, queue
from proxy.deliveries.agents import AGENTS
from proxy.deliveries.limits import portion
from proxy.deliveries.originals import NO_ORIGINALS, Originals
from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Outcome, TryLater
from proxy.deliveries.parcel import Parcel, Wire
from proxy.deliveries.queue import Claim
from proxy.routing import breaker

log = logging.getLogger(__name__)

CLOSED = TryLater(
    "The hours of the destination ended; it goes on where it stood when they begin again.",
    after=timedelta(0),
    rests=False,
)
BATCH = 64
BATCH_SECONDS = 1.0


def _never() -> bool:
    return False


def make(claim: Claim, stopping: Callable[[], bool] = _never, originals: Originals = NO_ORIGINALS) -> None:
    """Send what is claimed as far as it goes, and let go of it with its outcome."""
    with _Heartbeat(claim) as heartbeat:
        outcome = _attempt(claim, lambda: heartbeat.beats() and not stopping(), originals)
    kept = queue.finish(claim, outcome, timezone.now(), random.random())
    if kept and isinstance(outcome, Delivered):
        archives.delivered(claim.delivery_id)
    said = type(outcome).__name__ if kept else "its claim was lost"
    log.info("delivery %s, attempt %s: %s", claim.delivery_id, claim.number, said)


def _attempt(claim: Claim, keep_going: Callable[[], bool], originals: Originals) -> Outcome:
    """Any surprise inside is our own trouble: it rests no destination and loses no progress."""
    progress = _Progress(claim, keep_going)
    try:
        parcel = packing.pack(claim, originals.restoring)
        if not isinstance(parcel, Parcel):
            return parcel
        sent = _send_portion(claim, parcel, progress)
        if isinstance(sent, Delivered) and isinstance(parcel.to, Wire) and parcel.to.commitment:
            return commitment.seek(claim, parcel.to.peer, progress.keep_going, originals)
        return sent
    except DatabaseTrouble as trouble:
        return _surprise(claim, trouble, "The database did not take the progress")
    except Exception as trouble:
        return _surprise(claim, trouble, "The delivery stopped by a fault of Postern's own")


def _send_portion(claim: Claim, parcel: Parcel, progress: "_Progress") -> Outcome:
    """As much as the destination's limits let through now; that a part went is no success yet."""
    if not claim.limits or not parcel.items:
        return _send_in_hours(claim, parcel, progress)
    share = portion(map(packing.size_of, parcel.items), claim.limits, parcel.goes_as_a_whole)
    queue.spend(claim, share.cost, timezone.now())
    sent = _send_in_hours(claim, replace(parcel, items=parcel.items[: share.images]), progress)
    left = len(parcel.items) - share.images
    if left and isinstance(sent, Delivered):
        why = f"{left} of {parcel.total} images wait: the destination takes {claim.limits} a minute."
        return TryLater(why, after=timedelta(0), rests=False)
    return sent


def _send_in_hours(claim: Claim, parcel: Parcel, progress: "_Progress") -> Outcome:
    """Stops after the image at which the destination's hours end. What goes as a whole is not stopped half way: a
    large one would begin again every night."""

    def over() -> bool:
        ends = None if parcel.goes_as_a_whole else claim.closes_at
        return ends is not None and timezone.now() >= ends

    sent = _send(parcel, progress, lambda: not over() and progress.keep_going())
    return CLOSED if sent == INTERRUPTED and over() and progress.keep_going() else sent


def _send(parcel: Parcel, progress: "_Progress", keep_going: Callable[[], bool]) -> Outcome:
    try:
        return AGENTS[parcel.kind](parcel, progress.add, keep_going)
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
        self._lease = breaker.pace().lease.total_seconds()
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
            connections.close_all()
            return
        self._held_until = asked_at + self._lease if kept else 0.0
