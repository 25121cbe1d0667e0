"""What somebody did lately, as their marks say."""

from datetime import datetime

from proxy.audit import actions
from proxy.audit.models import Entry

LOOKS = (
    actions.IDENTITY_VIEWED,
    actions.UID_VIEWED,
    actions.PSEUDONYM_LOOKED_UP,
    actions.INSTANCE_RESTORED,
)


def persons_seen(actor: str, since: datetime) -> int:
    """How many pseudonyms (or UIDs) this actor has looked behind since then."""
    looks = Entry.objects.filter(actor=actor, at__gte=since, action__in=LOOKS).order_by()
    return looks.values("subject").distinct().count()
