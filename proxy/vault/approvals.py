"""Four eyes: in a project that asks for it, a look needs the word of somebody else, for its purpose and for a while.

A standing grant of a node is such a word already: whoever keeps the site file gave it, with its last day.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.record import record
from proxy.vault.models import Approval

APPROVE: Final = "vault.approve_identity"
LASTS: Final = timedelta(hours=1)
FORGOTTEN_AFTER: Final = timedelta(days=7)
"""A question that nobody answered so long has to be asked again."""


def is_approved(project_id: int, asker: str, purpose: str) -> bool:
    now = timezone.now()
    return Approval.objects.filter(
        project_id=project_id, asker=asker, purpose=purpose.strip(), until__gt=now
    ).exists()


def asked(project_id: int, asker: str, purpose: str) -> int:
    """The number of the question, which stands there for somebody to answer."""
    mine = {"project_id": project_id, "asker": asker, "purpose": purpose.strip()}
    open_ones = Approval.objects.filter(**mine, until=None, rejected_at=None)
    now = timezone.now()
    open_ones.filter(asked_at__lt=now - FORGOTTEN_AFTER).update(rejected_at=now)
    try:
        with transaction.atomic():
            return int(Approval.objects.create(**mine, asked_at=now).pk)
    except IntegrityError:
        return int(open_ones.values_list("pk", flat=True)[0])


def approve(row: Approval, by: str, now: datetime, called: Collection[str] = ()) -> bool | str:
    """For an hour. False: it was answered meanwhile; a text: why this cannot be.

    `called` are other names of who approves, as an address of e-mail: a user of the backend bears theirs in brackets.
    """
    asker = row.asker.lower()
    if by == row.asker or any(f"({name.lower()})" in asker for name in (by, *called) if name):
        return "nobody approves for themselves."
    return _answered(row, by, actions.LOOK_APPROVED, approver=by, until=now + LASTS)


def reject(row: Approval, by: str, now: datetime) -> bool | str:
    return _answered(row, by, actions.LOOK_REJECTED, rejected_at=now)


def _answered(row: Approval, by: str, action: str, **changes: object) -> bool:
    with transaction.atomic():
        open_one = Approval.objects.filter(pk=row.pk, until=None, rejected_at=None)
        done = bool(open_one.update(**changes))
        if done:
            detail = {"project": row.project_id}
            record(action, actor=by, subject=row.asker, purpose=row.purpose, detail=detail)
    return done
