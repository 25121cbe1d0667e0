"""Dispatches as rows: opened once for an event, claimed by one process at a time, taken up again after its death.

What has ended is forgotten after KEPT_FOR: what went to whom stands in the audit.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction

from proxy.backend.lifecycle import COMPLETED, DOWNLOADING, FAILED, LIFE, PROCESSING, WAITING
from proxy.backend.models import BackendNode, Dispatch
from proxy.backend.statuses import tell as tell_backend
from proxy.routing.audited import tell
from proxy.routing.models import BACKEND, Destination

MOST_WAITING: Final = 10_000
RUNNING: Final = (DOWNLOADING, PROCESSING)
OVER: Final = (COMPLETED, FAILED)
KEPT_FOR: Final = timedelta(days=90)
MOST_OVER: Final = 100_000
PAGE: Final = 500


def open_one(
    kind: str, entity: str, now: datetime, *, subject: str = "", correlation: str = "", key: str = ""
) -> bool:
    """False: this event was heard before, or the same is waiting already."""
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


def are_too_many() -> bool:
    """So much waits that no more is taken."""
    return Dispatch.objects.filter(state=WAITING).count() >= MOST_WAITING


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


def is_over(pk: int) -> bool:
    """Also if it is forgotten."""
    return not Dispatch.objects.filter(pk=pk, state__in=(WAITING, *RUNNING)).exists()


def lease() -> timedelta:
    return timedelta(seconds=settings.DELIVERY_LEASE)


def hold(tokens: Collection[str], now: datetime) -> set[str]:
    """Renew these claims; which of them still hold."""
    mine = Dispatch.objects.filter(token__in=tokens, state__in=RUNNING)
    mine.update(lease_until=now + lease())
    return set(mine.values_list("token", flat=True))


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
        ended = end(row, now, "A person gave it up.")
        if ended:
            tell(by, [f"dispatch {row} given up"], f"dispatch {row.pk}")
    return ended


def end(row: Dispatch, now: datetime, why: str) -> bool:
    """For good, also while it runs: whoever works on it sees that it is no longer his. The backend hears of it."""
    mine = Dispatch.objects.filter(pk=row.pk)
    if not LIFE.move(mine, "give up", finished_at=now, reason=why, lease_until=None):
        return False
    row.refresh_from_db()
    tell_backend(row, FAILED, now)
    return True


def prune(now: datetime) -> int:
    """Forget what ended long ago, and the longest ago of too many, a page at a time; how many."""
    over = Dispatch.objects.filter(state__in=OVER).order_by("-finished_at").values_list("pk", flat=True)
    old = list(over.filter(finished_at__lt=now - KEPT_FOR)[:PAGE])
    gone = old or list(over[MOST_OVER : MOST_OVER + PAGE])
    return int(Dispatch.objects.filter(pk__in=gone).delete()[0])
