"""What persons decide about deliveries and destinations.

Each decision that changes something leaves a mark.
"""

from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from proxy.audit.actions import DELIVERY_CHANGED
from proxy.audit.record import record
from proxy.deliveries import archives
from proxy.deliveries.lifecycle import DELIVERED, LIFE, WAITING
from proxy.deliveries.models import Delivery
from proxy.deliveries.queue import close_revision
from proxy.routing.models import Destination
from proxy.studies.lifecycle import EXPIRED
from proxy.studies.lifecycle import LIFE as REVISION_LIFE
from proxy.studies.models import Revision


def _row(delivery: Delivery) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk=delivery.pk)


def retry(delivery: Delivery, by: str, now: datetime) -> bool:
    """Try it now: what is open is sent; what was fully delivered is sent once more, as a whole.

    False: it is being sent at this moment, or its files are gone.
    """
    with transaction.atomic():
        again = _send_again(delivery, now)
        if again:
            _mark("retry", delivery, by)
    return again


def _send_again(delivery: Delivery, now: datetime) -> bool:
    revision = Revision.objects.select_for_update(no_key=True).get(pk=delivery.revision_id)
    if revision.state == EXPIRED or not _wait_again(delivery, now):
        return False
    REVISION_LIFE.move(Revision.objects.filter(pk=revision.pk), "resend")
    return True


def _wait_again(delivery: Delivery, now: datetime) -> bool:
    again = _moved(delivery, now)
    if again:
        delivery.commitment_requests.all().delete()  # what was refused before the decision does not count any more
    return again


def _moved(delivery: Delivery, now: datetime) -> bool:
    fresh = {"next_try_at": now, "finished_at": None, "attempts": 0, "reason": ""}
    anew = {"acks": b"", "acknowledged": 0, "commits": b"", "committed": 0}
    if LIFE.move(_row(delivery).filter(state=DELIVERED), "again", **fresh, **anew):
        return True
    if LIFE.move(_row(delivery), "again", **fresh):
        return True
    return bool(_row(delivery).filter(state=WAITING).update(next_try_at=now))


def replay(destination: Destination, since: datetime, by: str, now: datetime) -> int:
    """Send everything once more that the destination got since then; how many deliveries."""
    rows = Delivery.objects.filter(destination=destination, state=DELIVERED, finished_at__gte=since)
    again = sum(_replay_one(row, now) for row in list(rows.order_by("pk")))
    detail = {"decision": "replay", "since": since.isoformat(), "deliveries": again}
    record(DELIVERY_CHANGED, actor=by, subject=destination.name, detail=detail)
    return again


def _replay_one(delivery: Delivery, now: datetime) -> bool:
    with transaction.atomic():
        return _send_again(delivery, now)


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
