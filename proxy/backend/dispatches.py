"""Dispatches as rows: opened once for an event, claimed by one process at a time, taken up again after its death."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction

from proxy.backend.lifecycle import DOWNLOADING, LIFE, PROCESSING, WAITING
from proxy.backend.models import BackendNode, Dispatch
from proxy.routing.audited import tell
from proxy.routing.models import BACKEND, Destination

MOST_WAITING: Final = 10_000
RUNNING: Final = (DOWNLOADING, PROCESSING)


def open_one(
    kind: str, entity: str, now: datetime, *, subject: str = "", correlation: str = "", key: str = ""
) -> bool:
    """False: this event was heard before, or the same is waiting already, or so much waits that no more is taken."""
    if Dispatch.objects.filter(state=WAITING).count() >= MOST_WAITING:
        return False
    if not key and Dispatch.objects.filter(kind=kind, entity=entity, state=WAITING).exists():
        return False
    try:
        with transaction.atomic():
            Dispatch.objects.create(
                kind=kind, entity=entity, subject=subject, correlation=correlation, key=key,
                asked_at=now, next_try_at=now,
            )  # fmt: skip
    except IntegrityError:
        return False
    return True


def claim(now: datetime, token: str) -> Dispatch | None:
    """The longest due; what a dead process held is freed first."""
    dead = Dispatch.objects.filter(lease_until__lt=now)
    LIFE.move(dead, "rescue", next_try_at=now, lease_until=None, token="")
    due = Dispatch.objects.filter(state=WAITING, next_try_at__lte=now).order_by("next_try_at", "pk")
    for pk in list(due.values_list("pk", flat=True)[:20]):
        mine = Dispatch.objects.filter(pk=pk, next_try_at__lte=now)
        if LIFE.move(mine, "claim", token=token, lease_until=now + lease()):
            return Dispatch.objects.get(pk=pk)
    return None


def is_running(pk: int) -> bool:
    return Dispatch.objects.filter(pk=pk, state__in=RUNNING).exists()


def lease() -> timedelta:
    return timedelta(seconds=settings.DELIVERY_LEASE)


def hold(tokens: Sequence[str], now: datetime) -> None:
    Dispatch.objects.filter(token__in=tokens, state__in=RUNNING).update(lease_until=now + lease())


def move(row: Dispatch, event: str, **changes: object) -> bool:
    """Nothing, if the lease was lost meanwhile: then somebody else has it."""
    moved = LIFE.move(Dispatch.objects.filter(pk=row.pk, token=row.token), event, **changes)
    if moved:
        row.refresh_from_db()
    return bool(moved)


def note_progress(row: Dispatch) -> bool:
    """Keep counts and what each node has; whether the dispatch is still ours."""
    mine = Dispatch.objects.filter(pk=row.pk, token=row.token, state__in=RUNNING)
    return bool(mine.update(total=row.total, sent=row.sent, done=row.done))


def targets() -> list[Destination]:
    """The destinations of the backend's active nodes with write permission, which the site may have named itself."""
    nodes = BackendNode.objects.filter(is_active=True, writes=True, node__retired_at=None)
    rows = Destination.objects.filter(origin=BACKEND, retired_at=None, node__in=nodes.values("node"))
    return list(rows.select_related("node").order_by("pk"))


def again(row: Dispatch, by: str, now: datetime) -> bool:
    """A person wants it once more, from the beginning."""
    fresh = {"next_try_at": now, "tries": 0, "reason": "", "finished_at": None, "done": {}, "sent": 0}
    with transaction.atomic():
        moved = LIFE.move(Dispatch.objects.filter(pk=row.pk), "again", **fresh)
        if moved:
            tell(by, [f"dispatch {row} again"], f"dispatch {row.pk}")
    return bool(moved)


def give_up(row: Dispatch, by: str, now: datetime) -> bool:
    with transaction.atomic():
        why = "A person gave it up."
        moved = LIFE.move(Dispatch.objects.filter(pk=row.pk), "give up", finished_at=now, reason=why)
        if moved:
            tell(by, [f"dispatch {row} given up"], f"dispatch {row.pk}")
    return bool(moved)
