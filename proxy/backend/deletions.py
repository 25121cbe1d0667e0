"""What the backend says that it has deleted.

A message deletes nothing here, and takes nothing back: our copies go when their retention has passed, mappings stay,
deliveries and results on their way go on. What ends is what the backend itself had dispatched of it: nothing more of
that is fetched, or sent to a node. A deletion leaves one mark in the audit, however often it is said.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Q

from proxy.backend import dispatches
from proxy.backend.lifecycle import WAITING
from proxy.backend.models import Deletion, Dispatch
from proxy.routing.audited import tell

ACTOR: Final = "backend"
KEPT_FOR: Final = timedelta(days=90)
MOST_KEPT: Final = 50_000
WHY: Final = "The backend has deleted it."
STAYS: Final = "our copies stay until their retention has passed, mappings stay"


def note(kind: str, entity: str, now: datetime) -> int:
    """How many dispatches ended by it. Who says more than we keep, is listed and marked no further, but believed."""
    if (
        Deletion.objects.count() >= MOST_KEPT
        and not Deletion.objects.filter(kind=kind, entity=entity).exists()
    ):
        return sum(dispatches.end(one, now, WHY) for one in _dispatched(kind, entity))
    with transaction.atomic():
        row, is_new = Deletion.objects.get_or_create(kind=kind, entity=entity, defaults={"said_at": now})
        ended = sum(dispatches.end(one, now, WHY) for one in _dispatched(kind, entity))
        Deletion.objects.filter(pk=row.pk).update(said_at=now, given_up=F("given_up") + ended)
        if is_new:
            tell(ACTOR, [f"{row} deleted there, {ended} dispatches of it ended: {STAYS}"], str(row))
    return ended


def _dispatched(kind: str, entity: str) -> list[Dispatch]:
    """That are not over; of a subject, what was dispatched of its sessions, too."""
    its = Q(kind=kind, entity=entity)
    if kind == "subject":
        its |= Q(subject=entity)
    return list(Dispatch.objects.filter(its, state__in=(WAITING, *dispatches.RUNNING)).order_by("pk"))


def prune(now: datetime) -> int:
    return int(Deletion.objects.filter(said_at__lt=now - KEPT_FOR).delete()[0])
