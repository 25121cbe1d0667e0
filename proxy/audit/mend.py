"""A way out when the head was tampered with, something stands after the last entry, or the anchors contradict: a person
carries on, and the chain says so for good.

Nothing is made to look whole: what was done to the entries stays findable, and the first entry after the
damage says who carried on, why, what was found, and how many entries the damaged head had claimed.
"""

from pathlib import Path

from django.db import transaction
from django.db.models import Exists, OuterRef

from proxy.audit import actions, anchors, sending
from proxy.audit.chain import head_mac
from proxy.audit.findings import Kind
from proxy.audit.keyfile import audit_key
from proxy.audit.models import GENESIS, Entry, Head
from proxy.audit.record import HEAD, record
from proxy.audit.verify import verify

HEAD_DAMAGE = {Kind.HEAD_GONE, Kind.HEAD_CHANGED}
OUTSIDE = {Kind.TRUNCATED, Kind.CONTRADICTED, Kind.ANCHORS_CUT}
"""What anchors say of a chain whose head is whole: a database was put back by other means than `restore`, or their file
is not what it was."""


Place = tuple[int, str]
"""An entry's number and its MAC."""


class NothingToMend(Exception):
    """No fault at all: the head is whole, and entries can be appended."""


def carry_on(*, actor: str, purpose: str, anchored: Path | None = None) -> Entry:
    """Append after the last entry that is there, although the head, or the anchors of that file, do not fit."""
    with transaction.atomic():
        claimed = Head.objects.select_for_update().filter(pk=HEAD).values_list("count", flat=True).first()
        kinds = sorted({found.kind.value for found in verify(anchored).findings})
        is_head_damaged = bool(HEAD_DAMAGE & set(kinds))
        is_barred = not is_head_damaged and _is_barred()
        if not (is_head_damaged or is_barred or (anchored and OUTSIDE & set(kinds))):
            raise NothingToMend("The head of the audit chain is whole; entries can be appended.")
        if is_head_damaged or is_barred:
            _set_head(_free_end() if is_barred else _end())
        detail = {"claimed": claimed, "found": kinds}
        if anchored is not None:
            detail |= anchors.left_behind(anchored)
            anchors.forget(anchored)
        return record(actions.CHAIN_CONTINUED, actor=actor, purpose=purpose, detail=detail)


def _is_barred() -> bool:
    """Somebody else's entry stands where the next one belongs."""
    count = Head.objects.filter(pk=HEAD).values_list("count", flat=True).first()
    return count is not None and Entry.objects.filter(sequence=count + 1).exists()


def _free_end() -> Place | None:
    """The first entry after the head that nothing follows; what was inserted further on bars nobody yet."""
    count = Head.objects.values_list("count", flat=True).get(pk=HEAD)
    after = Entry.objects.filter(sequence=OuterRef("sequence") + 1)
    ends = Entry.objects.filter(~Exists(after), sequence__gt=count).order_by("sequence")
    return ends.values_list("sequence", "mac").first()


def _end() -> Place | None:
    return Entry.objects.filter(sequence__gt=0).order_by("-sequence").values_list("sequence", "mac").first()


def _set_head(last: Place | None) -> None:
    count, head = last or (0, GENESIS)
    values = {"count": count, "head": head, "mac": head_mac(audit_key(), count, head)}
    if not Head.objects.filter(pk=HEAD).update(**values):  # one that nobody can read is not read either
        Head.objects.create(id=HEAD, **values)
    sending.begin_again_after(count)
