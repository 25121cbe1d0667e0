"""When a study has gone quiet it is complete. The deadline is a column: a restart forgets no timer (promise 12)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from proxy import sql
from proxy.audit.actions import RECEIVED
from proxy.audit.record import Mark, record_all
from proxy.studies import completeness
from proxy.studies.lifecycle import COMPLETE, LIFE, RECEIVING, RELEASED
from proxy.studies.models import Revision, Study

AT_ONCE: Final = 100


def close_quiet(now: datetime) -> int:
    """Revisions whose time has passed are complete from now on; how many were. Some wait for what their PACS says."""
    closed = 0
    while _ANY_DUE.any(now):
        pks = list(_settled(now).values_list("pk", flat=True)[:AT_ONCE])
        closed += _close(pks, now)
        if len(pks) < AT_ONCE:
            break
    return closed


def _close(pks: Sequence[int], now: datetime) -> int:
    """Each with the mark of its reception: one for a revision, not one for an image."""
    with transaction.atomic():
        closed = [pk for pk in pks if LIFE.move(_settled(now).filter(pk=pk), "quiet")]
        rows = Revision.objects.filter(pk__in=closed).order_by("pk")
        record_all([_received(*row) for row in rows.values_list("study__uid", "number", "total")])
    return len(closed)


def _received(study: str, number: int, images: int) -> Mark:
    return Mark(RECEIVED, "settle", study, detail={"revision": number, "images": images})


def _settled(now: datetime) -> "QuerySet[Revision]":
    return _due(now).filter(completeness.is_settled())


def _due(now: datetime) -> "QuerySet[Revision]":
    return Revision.objects.filter(quiet_at__lte=now, state=RECEIVING)


def of_free_study() -> Exists:
    """A condition on revisions, for moves: no person and no conflict holds their study."""
    return Exists(Study.objects.filter(pk=OuterRef("study"), held_at=None))


def awaiting_release(limit: int = 100) -> list[Revision]:
    """Complete revisions of studies that no one holds, oldest first."""
    if not _ANY_COMPLETE.any():
        return []
    return list(_complete().select_related("route", "study").order_by("quiet_at", "pk")[:limit])


def _complete() -> "QuerySet[Revision]":
    return Revision.objects.filter(state=COMPLETE, study__held_at=None)


def awaiting_deliveries(limit: int = 100) -> list[Revision]:
    """Released revisions that ought to go somewhere and have no delivery yet."""
    if not _ANY_UNDELIVERED.any():
        return []
    rows = _undelivered().select_related("route", "study")
    return list(rows.distinct().order_by("quiet_at", "pk")[:limit])


def _undelivered() -> "QuerySet[Revision]":
    waiting = Revision.objects.filter(state=RELEASED, deliveries=None, study__held_at=None)
    return waiting.filter(
        Q(destinations__isnull=False)
        | Q(route__destinations__isnull=False, route__destinations__retired_at=None)
    )


def next_deadline() -> datetime | None:
    """When the next revision may become complete."""
    return (
        Revision.objects.filter(state=RECEIVING)
        .order_by("quiet_at")
        .values_list("quiet_at", flat=True)
        .first()
    )


# Asked four times a second, mostly for nothing
_ANY_DUE: Final = sql.Standing(_due)
_ANY_COMPLETE: Final = sql.Standing(lambda _: _complete())
_ANY_UNDELIVERED: Final = sql.Standing(lambda _: _undelivered())
