"""What a person decides about a study: let it go, keep it here, think again, set it free.

Each decision is one conditional update and leaves a mark; False means that somebody was faster, or that it is
not to be decided now. A held study releases nothing until it is set free.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from proxy.audit.actions import HELD, RECONSIDERED, REJECTED, RELEASED, SET_FREE
from proxy.audit.record import record
from proxy.studies.lifecycle import LIFE
from proxy.studies.models import Revision, Study


def approve(revision: Revision, by: str, now: datetime, comment: str = "") -> bool:
    """Release a revision that waits for review; its deliveries follow. The study's lock keeps a hold apart."""
    rows = Revision.objects.filter(pk=revision.pk)
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=revision.study_id)
        if study.is_held:
            return False
        return _decide(rows, revision, "approve", action=RELEASED, by=by, comment=comment, released_at=now)


def reject(revision: Revision, by: str, comment: str = "", now: datetime | None = None) -> bool:
    """Keep a revision here until a person lets it go; the ledger counts its images as excluded."""
    rows, ended_at = Revision.objects.filter(pk=revision.pk), now or timezone.now()
    return _decide(rows, revision, "reject", action=REJECTED, by=by, comment=comment, ended_at=ended_at)


def reconsider(revision: Revision, by: str, comment: str = "") -> bool:
    """Put a rejected revision back before the reviewers."""
    rows = Revision.objects.filter(pk=revision.pk)
    return _decide(rows, revision, "reconsider", action=RECONSIDERED, by=by, comment=comment)


def _decide(
    rows: "QuerySet[Revision]",
    revision: Revision,
    event: str,
    *,
    action: str,
    by: str,
    comment: str,
    **changes: object,
) -> bool:
    with transaction.atomic():
        if not LIFE.move(rows, event, **changes):
            return False
        detail = {"revision": revision.number, "images": revision.total}
        record(action, actor=by, subject=revision.study.uid, purpose=comment, detail=detail)
    return True


def hold(study: Study, by: str, now: datetime, comment: str = "") -> bool:
    """Stop a study where it stands: nothing of it is released or sent until a person sets it free."""
    reason = comment[:255] or "Held by a person."
    rows = Study.objects.filter(held_at=None)
    return _mark(study, rows, action=HELD, by=by, comment=comment, held_at=now, held_reason=reason)


def set_free(study: Study, by: str, comment: str = "") -> bool:
    """A person has looked at a held study: it goes on."""
    rows = Study.objects.exclude(held_at=None)
    return _mark(study, rows, action=SET_FREE, by=by, comment=comment, held_at=None, held_reason="")


def _mark(
    study: Study, rows: "QuerySet[Study]", *, action: str, by: str, comment: str, **changes: object
) -> bool:
    with transaction.atomic():
        if not rows.filter(pk=study.pk).update(**changes):
            return False
        record(action, actor=by, subject=study.uid, purpose=comment, detail={"was": study.held_reason})
    return True
