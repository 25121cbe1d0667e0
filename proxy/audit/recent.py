"""What somebody did lately, as their marks say."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Max, Q, QuerySet

from proxy.audit import actions
from proxy.audit.models import Entry

LOOKS = (
    actions.IDENTITY_VIEWED,
    actions.IDENTITY_FOUND,
    actions.MAP_READ,
    actions.UID_VIEWED,
    actions.PSEUDONYM_LOOKED_UP,
    actions.INSTANCE_RESTORED,
)


def persons_seen(actor: str, since: datetime, besides: Collection[str] = (), account: str = "") -> int:
    """How many pseudonyms (or UIDs) this actor has looked behind since then, those of `besides` not counted. With an
    `account` it is theirs under whatever name stood behind it in parentheses."""
    return _looks(actor, since, besides, account).values("subject").distinct().count()


def room_at(
    actor: str, since: datetime, free: int, besides: Collection[str] = (), account: str = ""
) -> datetime | None:
    """The time of the mark after whose end not more than `free` others are left; None: there is room already.

    Whoever looked several times behind somebody counts until the last of these marks is old.
    """
    last = _looks(actor, since, besides, account).values("subject").annotate(last=Max("at"))
    times = list(last.order_by("-last").values_list("last", flat=True)[free : free + 1])
    return times[0] if times else None


def _looks(actor: str, since: datetime, besides: Collection[str], account: str) -> "QuerySet[Entry]":
    theirs = Q(actor=actor)
    if account:
        theirs |= Q(actor=account) | Q(actor__startswith=f"{account} (")
    looks = Entry.objects.filter(theirs, at__gte=since, action__in=LOOKS).order_by()
    return looks.exclude(subject__in=besides) if besides else looks
