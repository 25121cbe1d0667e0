"""What must reach the backend: it waits in the database, and is sent again until it was acknowledged or superseded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from proxy.backend.models import Outgoing

AGAIN_AFTER: Final = timedelta(seconds=15)
MOST_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Sent:
    """This version of a message went out; only its acknowledgement counts."""

    key: str
    version: int


def put(key: str, body: Mapping[str, Any], now: datetime) -> None:
    """It takes the place of what waits under this key."""
    with transaction.atomic():
        fresh = {"body": dict(body), "put_at": now, "sent_at": None, "next_at": now, "tries": 0}
        _, is_new = Outgoing.objects.get_or_create(key=key, defaults=fresh)
        if not is_new:
            Outgoing.objects.filter(key=key).update(**fresh, version=F("version") + 1)


def due(now: datetime) -> list[tuple[Sent, Mapping[str, Any]]]:
    """In the order in which they were put."""
    rows = Outgoing.objects.filter(next_at__lte=now).order_by("put_at", "pk")[:MOST_AT_ONCE]
    return [(Sent(row.key, row.version), row.body) for row in rows]


def note_sent(sent: Sent, now: datetime) -> None:
    mine = Outgoing.objects.filter(key=sent.key, version=sent.version)
    mine.update(sent_at=now, next_at=now + AGAIN_AFTER, tries=F("tries") + 1)


def acknowledge(sent: Sent) -> bool:
    """It arrived. A newer version waits on."""
    return bool(Outgoing.objects.filter(key=sent.key, version=sent.version).delete()[0])


def send_all_again(now: datetime) -> None:
    """On a new connection: what went out on the old one may be lost."""
    Outgoing.objects.update(next_at=now)
