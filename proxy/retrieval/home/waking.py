"""What waited for a destination goes when that answers again. Light: every process connects it (`breaker.back`)."""

from datetime import datetime

from proxy.retrieval.home.lifecycle import WAITING
from proxy.retrieval.models import Homecoming


def drain(*, destination_id: int, now: datetime, **_: object) -> None:
    mine = Homecoming.objects.filter(destination_id=destination_id, state=WAITING, next_try_at__gt=now)
    mine.update(next_try_at=now)
