"""What persons decide about deliveries and destinations.

Each decision that changes something leaves a mark.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from proxy.audit.actions import DELIVERY_CHANGED
from proxy.audit.record import record
from proxy.deliveries import archives
from proxy.deliveries.lifecycle import CLAIMED, DELIVERED, LIFE, REFUSED, WAITING
from proxy.deliveries.models import Delivery, Priority
from proxy.deliveries.queue import close_revision
from proxy.routing.models import Destination
from proxy.studies import excluding
from proxy.studies.lifecycle import EXCLUDED, EXPIRED
from proxy.studies.lifecycle import LIFE as REVISION_LIFE
from proxy.studies.models import Revision, Study

NOT_AGAIN: Final = "It is being sent at this moment, its files are gone, or a series of it is excluded."


def _row(delivery: Delivery) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk=delivery.pk)


def retry(delivery: Delivery, by: str, now: datetime) -> bool:
    """Try it now: what is open is sent; what was fully delivered is sent once more, as a whole.

    False: it is being sent at this moment, its files are gone, or a series of it is excluded.
    """
    with transaction.atomic():
        again = send_again(delivery, now)
        if again:
            _mark("retry", delivery, by)
    return again


def send_again(delivery: Delivery, now: datetime, **changes: object) -> bool:
    """In a transaction of the caller's, who leaves the mark. False as with `retry`."""
    revision = lock(delivery)
    if revision.state in (EXPIRED, EXCLUDED) or _holds_back(revision):
        return False
    if not _wait_again(delivery, now, changes):
        return False
    REVISION_LIFE.move(Revision.objects.filter(pk=revision.pk), "resend")
    return True


def lock(delivery: Delivery) -> Revision:
    """Its study, its revision, and then whatever the caller locks: so nobody excludes a series of it meanwhile."""
    Study.objects.select_for_update(no_key=True, of=("self",)).get(revisions=delivery.revision_id)
    return Revision.objects.select_for_update(no_key=True).get(pk=delivery.revision_id)


def _holds_back(revision: Revision) -> bool:
    return Revision.objects.filter(excluding.holds_some(), pk=revision.pk).exists()


def _wait_again(delivery: Delivery, now: datetime, changes: Mapping[str, object]) -> bool:
    again = _moved(delivery, now, changes)
    if again:
        delivery.commitment_requests.all().delete()  # what was refused before the decision does not count any more
    return again


def _moved(delivery: Delivery, now: datetime, changes: Mapping[str, object]) -> bool:
    fresh = {"next_try_at": now, "finished_at": None, "attempts": 0, "reason": "", **changes}
    anew = {"acks": b"", "acknowledged": 0, "commits": b"", "committed": 0}
    if LIFE.move(_row(delivery).filter(state=DELIVERED), "again", **fresh, **anew):
        return True
    if LIFE.move(_row(delivery), "again", **fresh):
        return True
    return bool(_row(delivery).filter(state=WAITING).update(next_try_at=now))


def prefer(delivery: Delivery, priority: Priority, by: str) -> bool:
    """Let it have its turn before others, or after them. False: it is over, or has that priority."""
    with transaction.atomic():
        rows = _row(delivery).filter(state__in=(WAITING, CLAIMED, REFUSED)).exclude(priority=priority)
        if not rows.update(priority=priority):
            return False
        _mark(priority.label.lower(), delivery, by)
    return True


def drop(delivery: Delivery, by: str, now: datetime, why: str = "") -> bool:
    """Give it up: the ledger counts what it did not send as excluded. False: it is running, or over."""
    with transaction.atomic():
        Revision.objects.select_for_update(no_key=True).get(pk=delivery.revision_id)
        if not LIFE.move(_row(delivery), "drop", finished_at=now):
            return False
        close_revision(delivery.revision_id, now)
        _mark("drop", delivery, by, why)
        transaction.on_commit(partial(archives.forget, delivery.pk), robust=True)  # or the sweep finds it
    return True


def _mark(decision: str, delivery: Delivery, by: str, why: str = "") -> None:
    study = delivery.revision.study.uid
    place = {"destination": delivery.destination.name, "revision": delivery.revision.number}
    record(DELIVERY_CHANGED, actor=by, subject=study, purpose=why, detail={"decision": decision, **place})


def pause(destination: Destination, by: str, now: datetime) -> bool:
    """Stop sending there until a person resumes it. What is running ends; what arrives waits."""
    return _change(Destination.objects.filter(paused_at=None), destination, "pause", by, paused_at=now)


def resume(destination: Destination, by: str) -> bool:
    """Send there again, at once: a rest ends too."""
    rows = Destination.objects.exclude(paused_at=None, rests_until=None, failures=0)
    fresh = {"paused_at": None, "rests_until": None, "failures": 0}
    return _change(rows, destination, "resume", by, **fresh)


def _change(
    rows: "QuerySet[Destination]", destination: Destination, decision: str, by: str, **changes: object
) -> bool:
    with transaction.atomic():
        changed = rows.filter(pk=destination.pk).update(**changes)
        if changed:
            record(DELIVERY_CHANGED, actor=by, subject=destination.name, detail={"decision": decision})
    return bool(changed)
