"""The queue of notices is a table, as that of deliveries is: claimed by one conditional update, tried until told.

A crash between telling and writing that down tells it twice: each notice has an id, the same at every try.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet

from proxy.alerts import channels
from proxy.alerts.channels import Channel, NotTold
from proxy.alerts.lifecycle import ALERT, CLAIMED, CLEARED, GIVEN_UP, NOTICE, TOLD, WAITING
from proxy.alerts.models import Alert, Notice
from proxy.alerts.rules import BY_NAME
from proxy.waits import doubled

log = logging.getLogger(__name__)

TELL_EVERY: Final = 5.0  # seconds
LEASE: Final = timedelta(minutes=5)
PAUSE, PAUSE_MAX = timedelta(seconds=30), timedelta(hours=1)
MOST_TRIES: Final = 24
"""With pauses that grow to an hour: most of a day. Then it is given up, and `channel-silent` says so."""
AT_ONCE: Final = 20
MOST_TOLD: Final = 50
NO_CHANNEL: Final = "The channel is not set any more."
KEPT_FOR: Final = timedelta(days=90)
SWEEP_EVERY: Final = 3600.0  # seconds

Told = tuple[str, Alert]
"""`raised`, `worse` or `cleared`, and the alert."""


# --- making ---------------------------------------------------------------------------------------


def make(told: Sequence[Told], now: datetime) -> int:
    """One notice for each channel that is set; how many."""
    if not told:
        return 0
    made = [
        Notice(channel=one.name, body=body_of(told, now), made_at=now, next_try_at=now)
        for one in channels.in_force()
    ]
    Notice.objects.bulk_create(made)
    for event, alert in told:
        log.warning("alert %s: %s: %s: %s", event, alert.rule, alert.subject, alert.sentence)
    return len(made)


def body_of(told: Sequence[Told], now: datetime) -> dict[str, Any]:
    """What a webhook gets, and what an e-mail is written from."""
    return {
        "id": secrets.token_hex(16),
        "at": now.isoformat(timespec="seconds"),
        "from": settings.DICOM_AE_TITLE,
        "alerts": [_entry(event, alert) for event, alert in told[:MOST_TOLD]],
        "more": max(0, len(told) - MOST_TOLD),
    }


def _entry(event: str, alert: Alert) -> dict[str, Any]:
    rule = BY_NAME.get(alert.rule)
    return {
        "event": event,
        "alert": alert.pk,
        "rule": alert.rule,
        "title": rule.title if rule else alert.rule,
        "subject": alert.subject,
        "sentence": alert.sentence,
        "advice": rule.advice if rule and event != "cleared" else "",
        "since": alert.found_at.isoformat(timespec="seconds"),
    }


# --- telling --------------------------------------------------------------------------------------


def tell(channel: Channel, now: Callable[[], datetime], going: Callable[[], bool] = lambda: True) -> int:
    """Tell what is due on this channel; how many notices were told. One that fails makes the others wait, and only
    those: each channel has a thread of its own."""
    rescue(now())
    told = 0
    for _ in range(AT_ONCE):
        notice = claim(channel.name, now()) if channel.place() and going() else None
        if notice is None or not _tell(channel, notice, now):
            break
        told += 1
    return told


def _tell(channel: Channel, notice: Notice, now: Callable[[], datetime]) -> bool:
    try:
        outcome = channel.tell(notice.body)
    except Exception as trouble:  # of a library beneath; what it says may quote anything
        outcome = NotTold(f"It ended in {type(trouble).__name__}.")
    finish(notice, outcome, now())
    return outcome is None


def claim(channel: str, now: datetime) -> Notice | None:
    """The oldest one that is due, unless an older one waits for its next try: order is kept, and a server that is
    down is asked once, not once for each."""
    first = Notice.objects.filter(channel=channel, state=WAITING).order_by("pk").first()
    if first is None or first.next_try_at > now:
        return None
    rows = Notice.objects.filter(pk=first.pk, next_try_at__lte=now)
    token = secrets.token_hex(16)
    won = NOTICE.move(rows, "claim", token=token, lease_until=now + LEASE, tries=first.tries + 1)
    return Notice.objects.get(pk=first.pk, token=token) if won else None


def finish(notice: Notice, trouble: NotTold | None, now: datetime) -> None:
    """Only while the claim holds."""
    mine = Notice.objects.filter(pk=notice.pk, token=notice.token)
    free: dict[str, Any] = {"token": "", "lease_until": None}
    if trouble is None:
        if NOTICE.move(mine, "told", **free, reason="", ended_at=now):
            _are_told(notice)
    elif notice.tries >= MOST_TRIES:
        NOTICE.move(mine, "give up", **free, reason=trouble.reason, ended_at=now)
        log.error("a notice on %s is given up: %s", notice.channel, trouble.reason)
    else:
        at = now + max(pause(notice.tries), trouble.after or timedelta(0))
        NOTICE.move(mine, "later", **free, reason=trouble.reason, next_try_at=at)


def pause(tries: int) -> timedelta:
    return doubled(PAUSE, PAUSE_MAX, tries)


def _are_told(notice: Notice) -> None:
    """Alerts that somebody has been told of, on whichever channel."""
    told = [one["alert"] for one in notice.body["alerts"] if one["event"] != "cleared"]
    ALERT.move(Alert.objects.filter(pk__in=told, raised_at__lte=notice.made_at), "told")


def rescue(now: datetime) -> int:
    """What a worker left waits again; what has no channel any more is given up. Mostly there is nothing to be told, and
    nothing is written."""
    if not Notice.objects.filter(state__in=[WAITING, CLAIMED]).exists():
        return 0
    names = [one.name for one in channels.in_force()]
    NOTICE.move(Notice.objects.exclude(channel__in=names), "give up", reason=NO_CHANNEL, ended_at=now)
    late = Notice.objects.filter(lease_until__lte=now)
    return NOTICE.move(late, "rescue", token="", lease_until=None, next_try_at=now)


# --- what persons decide, and what goes -----------------------------------------------------------


def again(notice: Notice, now: datetime) -> bool:
    rows = Notice.objects.filter(pk=notice.pk)
    return bool(NOTICE.move(rows, "again", tries=0, next_try_at=now, ended_at=None))


def sweep(now: datetime) -> int:
    """Cleared alerts and ended notices are kept for a season."""
    old = now - KEPT_FOR
    alerts, _ = Alert.objects.filter(state=CLEARED, cleared_at__lt=old).delete()
    ended: QuerySet[Notice] = Notice.objects.filter(state__in=[TOLD, GIVEN_UP], made_at__lt=old)
    return alerts + ended.delete()[0]
