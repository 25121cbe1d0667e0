"""Quarantine: RETENTION_QUARANTINE says how long an image waits for a person; 0: for good.

It is announced first, with the day on which it goes, and never goes less than three days after that: who shortens
the retention of a full quarantine has time to look. What was discarded is kept as long, from the decision on.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from proxy.audit.actions import QUARANTINE_DECIDED
from proxy.audit.record import record
from proxy.quarantine import keeping
from proxy.quarantine.lifecycle import DISCARDED, DUPLICATE, EXPIRED, HELD, LIFE, RELEASED
from proxy.quarantine.models import HeldItem
from proxy.retention.images import Going
from proxy.retention.pages import paged
from proxy.storage import files

ANNOUNCED: Final = timedelta(days=3)
WHY: Final = "Nobody decided within RETENTION_QUARANTINE."


def due(keep_for: timedelta, now: datetime, going: Going, by: str) -> int:
    """How many images went. `keep_for` of nothing keeps what is held."""
    announce(keep_for, now)
    gone = sum(_expired(item, now, by) for item in _overdue(keep_for, now) if going()) if keep_for else 0
    for item in _with_useless_file(keep_for, now):
        if not going():
            break
        files.remove(keeping.folder() / item.path)
        HeldItem.objects.filter(pk=item.pk).update(file_gone_at=now)
    return gone


def announce(keep_for: timedelta, now: datetime) -> None:
    """Write down when those go whose time comes; take back what was announced under another setting."""
    held = HeldItem.objects.filter(state=HELD)
    soon = held.filter(held_at__lte=now - keep_for + ANNOUNCED) if keep_for else held.none()
    held.exclude(goes_at=None).exclude(pk__in=soon.values("pk")).update(goes_at=None)
    for item in paged(soon.filter(goes_at=None)):
        at = max(item.held_at + keep_for, now + ANNOUNCED)
        HeldItem.objects.filter(pk=item.pk, state=HELD).update(goes_at=at)


def _overdue(keep_for: timedelta, now: datetime) -> Iterator[HeldItem]:
    return paged(HeldItem.objects.filter(state=HELD, goes_at__lte=now, held_at__lte=now - keep_for))


def _expired(item: HeldItem, now: datetime, by: str) -> int:
    decision = {"decided_at": now, "decided_by": by, "comment": WHY}
    with transaction.atomic():
        rows = HeldItem.objects.filter(pk=item.pk, goes_at__lte=now)
        if not LIFE.move(rows, "expire", **decision):
            return 0
        detail = {"decision": "expire", "gate": item.code, "item": item.pk}
        record(QUARANTINE_DECIDED, actor=by, subject=item.uid, purpose=WHY, detail=detail)
    return 1


def _with_useless_file(keep_for: timedelta, now: datetime) -> Iterator[HeldItem]:
    """Nobody opens these any more. A kill after the decision may have left the file of one that was let in."""
    over = Q(state__in=(RELEASED, DUPLICATE, EXPIRED))
    if keep_for:
        over |= Q(state=DISCARDED, decided_at__lte=now - keep_for)
    return paged(HeldItem.objects.filter(over, file_gone_at=None))
