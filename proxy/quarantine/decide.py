"""What a person decides about a held image. Releasing it is the pipeline's work; its mark is made here."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from proxy.audit.actions import HELD_RELEASED, QUARANTINE_DECIDED
from proxy.audit.record import record
from proxy.quarantine.lifecycle import LIFE, RELEASED
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


def hold_again(item: HeldItem, by: str, comment: str = "") -> bool:
    """It was discarded by mistake, or by a rule, and its file is still here: it waits for a person again.

    False: its file is gone, it is not discarded, or the same image is held by now.
    """
    undecided = {"decided_at": None, "decided_by": "", "comment": ""}
    try:
        with transaction.atomic():
            if not LIFE.move(
                HeldItem.objects.filter(pk=item.pk, file_gone_at=None), "hold again", **undecided
            ):
                return False
            _mark("hold again", item, by, comment)
    except IntegrityError:
        return False
    return True


def ask_release(item: HeldItem, by: str, comment: str = "") -> None:
    """Leave the mark before the pipeline tries: no image leaves quarantine without one."""
    _mark("release", item, by, comment)


def released(item: HeldItem, by: str) -> None:
    """The mark of the release itself; call it last in the transaction that lets the image in."""
    record(HELD_RELEASED, actor=by, subject=item.uid, detail={"gate": item.code, "item": item.pk})


def is_duplicate(item: HeldItem, proof: str) -> bool:
    """A proof showed that we have this image already: it goes, and its mark says so. False: it was decided already."""
    decision = {"decided_at": timezone.now(), "decided_by": proof[:150]}
    with transaction.atomic():
        if not LIFE.move(HeldItem.objects.filter(pk=item.pk), "same", **decision):
            return False
        _mark("same", item, proof, "")
    return True


def is_over(item: HeldItem, by: str) -> bool:
    """It was let in, or is here already, so that nothing was left to let in: its file may go. False: somebody else
    decided otherwise a moment ago."""
    item.refresh_from_db(fields=["state"])
    return item.state == RELEASED or is_duplicate(item, by)


def _mark(decision: str, item: HeldItem, by: str, comment: str) -> None:
    detail = {"decision": decision, "gate": item.code, "item": item.pk}
    record(QUARANTINE_DECIDED, actor=by, subject=item.uid, purpose=comment, detail=detail)
