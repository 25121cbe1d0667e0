"""A way out when the head was tampered with: a person carries on after it, and the chain says so for good.

Nothing is made to look whole: what was done to the entries stays findable, and the first entry after the
damage says who carried on, why, what was found, and how many entries the damaged head had claimed.
"""

from django.db import transaction

from proxy.audit import actions
from proxy.audit.chain import head_mac
from proxy.audit.findings import Kind
from proxy.audit.keyfile import audit_key
from proxy.audit.models import GENESIS, Entry, Head
from proxy.audit.record import HEAD, record
from proxy.audit.verify import verify

HEAD_DAMAGE = {Kind.HEAD_GONE, Kind.HEAD_CHANGED}


class NothingToMend(Exception):
    """The head is whole: entries can be appended."""


def carry_on(*, actor: str, purpose: str) -> Entry:
    """Append after the last entry that is there, although the head does not fit."""
    with transaction.atomic():
        claimed = Head.objects.select_for_update().filter(pk=HEAD).values_list("count", flat=True).first()
        kinds = sorted({found.kind.value for found in verify().findings})
        if not HEAD_DAMAGE & set(kinds):
            raise NothingToMend("The head of the audit chain is whole; entries can be appended.")
        _set_head()
        detail = {"claimed": claimed, "found": kinds}
        return record(actions.CHAIN_CONTINUED, actor=actor, purpose=purpose, detail=detail)


def _set_head() -> None:
    last = Entry.objects.order_by("-sequence").first()
    count, head = (last.sequence, last.mac) if last else (0, GENESIS)
    mac = head_mac(audit_key(), count, head)
    Head.objects.update_or_create(id=HEAD, defaults={"count": count, "head": head, "mac": mac})
