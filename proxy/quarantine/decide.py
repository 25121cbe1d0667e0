"""What a person decides about a held image. Releasing it is the pipeline's work; its mark is made here."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from proxy.audit.actions import QUARANTINE_DECIDED
from proxy.audit.record import record
from proxy.quarantine.lifecycle import LIFE
from proxy.quarantine.models import HeldItem


def discard(item: HeldItem, by: str, comment: str = "", now: datetime | None = None) -> bool:
    """It will not go on; the ledger counts it as excluded, its file stays for RETENTION_QUARANTINE.

    False: it was decided already.
    """
    decision = {"decided_at": now or timezone.now(), "decided_by": by[:150], "comment": comment[:255]}
    with transaction.atomic():
        if not LIFE.move(HeldItem.objects.filter(pk=item.pk), "discard", **decision):
            return False
        _mark("discard", item, by, comment)
    return True


def ask_release(item: HeldItem, by: str, comment: str = "") -> None:
    """Leave the mark before the pipeline tries: no image leaves quarantine without one."""
    _mark("release", item, by, comment)


def _mark(decision: str, item: HeldItem, by: str, comment: str) -> None:
    detail = {"decision": decision, "gate": item.code, "item": item.pk}
    record(QUARANTINE_DECIDED, actor=by, subject=item.uid, purpose=comment, detail=detail)
