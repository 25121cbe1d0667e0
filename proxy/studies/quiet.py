"""When a study has gone quiet it is complete. The deadline is a column: a restart forgets no timer (promise 12)."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from proxy.studies import completeness
from proxy.studies.lifecycle import COMPLETE, LIFE, RECEIVING, RELEASED
from proxy.studies.models import Revision, Study


def close_quiet(now: datetime) -> int:
    """Revisions whose time has passed are complete from now on; how many were. Some wait for what their PACS says."""
    due = Revision.objects.filter(quiet_at__lte=now, state=RECEIVING)
    if not due.exists():  # as it is four times a second
        return 0
    return LIFE.move(due.filter(completeness.is_settled()), "quiet")


def of_free_study() -> Exists:
    """A condition on revisions, for moves: no person and no conflict holds their study."""
    return Exists(Study.objects.filter(pk=OuterRef("study"), held_at=None))


def awaiting_release(limit: int = 100) -> list[Revision]:
    """Complete revisions of studies that no one holds, oldest first."""
    waiting = Revision.objects.filter(state=COMPLETE, study__held_at=None).select_related("route", "study")
    return list(waiting.order_by("quiet_at", "pk")[:limit])


def awaiting_deliveries(limit: int = 100) -> list[Revision]:
    """Released revisions that ought to go somewhere and have no delivery yet."""
    waiting = Revision.objects.filter(state=RELEASED, deliveries=None, study__held_at=None)
    to_somewhere = waiting.filter(
        Q(destinations__isnull=False)
        | Q(route__destinations__isnull=False, route__destinations__retired_at=None)
    )
    return list(to_somewhere.select_related("route", "study").distinct().order_by("quiet_at", "pk")[:limit])


def next_deadline() -> datetime | None:
    """When the next revision may become complete."""
    return (
        Revision.objects.filter(state=RECEIVING)
        .order_by("quiet_at")
        .values_list("quiet_at", flat=True)
        .first()
    )
