"""What somebody did lately, as their marks say."""

from collections.abc import Collection
from datetime import datetime

from proxy.audit import actions
from proxy.audit.models import Entry

LOOKS = (
    actions.IDENTITY_VIEWED,
    actions.IDENTITY_FOUND,
    actions.UID_VIEWED,
    actions.PSEUDONYM_LOOKED_UP,
    actions.INSTANCE_RESTORED,
)


def persons_seen(actor: str, since: datetime, besides: Collection[str] = ()) -> int:
    """How many pseudonyms (or UIDs) this actor has looked behind since then, those of `besides` not counted."""
    looks = Entry.objects.filter(actor=actor, at__gte=since, action__in=LOOKS).order_by()
    if besides:
        looks = looks.exclude(subject__in=besides)
    return looks.values("subject").distinct().count()
