"""The circuit breaker: which destinations are sent to, for whatever is on its way to them.

    awake ──three failures in a row──▶ resting ──its pause is over──▶ probed ──no answer──▶ resting, longer
      ▲                                                                 │
      └────────── something gets through ◀── one delivery tries ◀──────┘ (it fails: resting, longer)

Deliveries and homecomings count on the same row, so what one of them has found out spares the other. A probe (C-ECHO,
a question to a web service, a file in a folder) is what a dead destination costs, and seldom a study. A rest
begins and ends in the database: any process may take the next probe, and a restart forgets nothing (promise 12).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.dispatch import Signal

from proxy import sql
from proxy.routing import backoff, windows
from proxy.routing.backoff import RESTS_AFTER, Pace
from proxy.routing.models import Destination
from proxy.routing.windows import Hours

TRIES_ANYWAY = 5
PROBE_LEASE = timedelta(minutes=2)

back = Signal()
"""With `destination_id`, `now` and `proven`: it answers again; something got through, if `proven`. Whatever keeps
things that wait for a destination lets them go then."""


def pace() -> Pace:
    return Pace(
        pause=timedelta(seconds=settings.DELIVERY_PAUSE),
        pause_max=timedelta(seconds=settings.DELIVERY_PAUSE_MAX),
        lease=timedelta(seconds=settings.DELIVERY_LEASE),
        at_once=settings.DELIVERY_AT_ONCE,
    )


# --- who may be sent to ---------------------------------------------------------------------------


def usable(now: datetime) -> "QuerySet[Destination]":
    """In force, not paused, and awake or found to answer. Its hours are another question: `hours_of`."""
    awake = Q(failures__lt=RESTS_AFTER) | Q(probed_at__isnull=False)
    return _unpaused(now).filter(awake)


def _unpaused(now: datetime) -> "QuerySet[Destination]":
    in_force = Destination.objects.filter(Q(node=None) | Q(node__retired_at=None), retired_at=None)
    return in_force.filter(Q(rests_until=None) | Q(rests_until__lte=now), paused_at=None)


def is_usable(destination_id: int, now: datetime) -> bool:
    """At this moment, its hours included."""
    row = usable(now).filter(pk=destination_id).first()
    return row is not None and hours_of(row, now).is_open


def hours_of(destination: Destination, now: datetime) -> Hours:
    return hours(destination.windows, now)


def hours(said: Iterable[str], now: datetime) -> Hours:
    """Of one that cannot be read (no site file and no form lets it in) nothing is sent, and no other is held up."""
    try:
        return windows.hours(_windows(tuple(said)), now, zone())
    except (windows.WrongWindow, TypeError, AttributeError):
        return Hours(False)


@lru_cache(maxsize=256)
def _windows(said: tuple[str, ...]) -> tuple[windows.Window, ...]:
    return tuple(map(windows.read, said))


def zone() -> ZoneInfo:
    return ZoneInfo(settings.SITE_TIME_ZONE)


# --- what was found out about them ----------------------------------------------------------------


def failed(
    destination: Destination, why: str, now: datetime, chance: float = 0.0, asked: timedelta | None = None
) -> None:
    """One more failure. The row is locked by the caller, or conditional. What a destination asks for itself
    (Retry-After) holds for all that waits for it."""
    spells = (backoff.rest(destination.failures + 1, pace(), chance), asked)
    rest = max((one for one in spells if one is not None), default=None)
    Destination.objects.filter(pk=destination.pk).update(
        failures=F("failures") + 1,
        trouble=why,
        probed_at=None,
        rests_until=None if rest is None else now + rest,
    )


def got_through(destination: Destination, now: datetime) -> None:
    """Something arrived or was properly refused: it lives. The row is locked by the caller."""
    if not destination.failures and destination.rests_until is None:
        return
    Destination.objects.filter(pk=destination.pk).update(
        failures=0, trouble="", probed_at=None, rests_until=None
    )
    if destination.failures >= RESTS_AFTER:
        back.send(Destination, destination_id=destination.pk, now=now, proven=True)


def asked_for_rest(destination: Destination, why: str, until: datetime) -> None:
    """It takes things, and asks to be left alone for a while."""
    Destination.objects.filter(pk=destination.pk).update(rests_until=until, trouble=why)


# --- probes ---------------------------------------------------------------------------------------


def to_probe(now: datetime) -> list[Destination]:
    """Whose rest is over, and who was not asked since."""
    if not _ANY_RESTED.any(now):  # as it is once a second
        return []
    rows = _rested(now).select_related("node").order_by("rests_until", "pk")
    return [row for row in rows if hours_of(row, now).is_open]


def _rested(now: datetime) -> "QuerySet[Destination]":
    return _unpaused(now).filter(failures__gte=RESTS_AFTER, probed_at=None)


_ANY_RESTED: Final = sql.Standing(_rested)


def take_probe(destination: Destination, now: datetime) -> Destination | None:
    """Whoever wins this asks it; for the others it goes on resting, until a probe must have ended."""
    mark = now + PROBE_LEASE
    rows = Destination.objects.filter(
        pk=destination.pk, probed_at=None, rests_until=destination.rests_until, failures=destination.failures
    )
    if not rows.update(rests_until=mark):
        return None
    destination.rests_until = mark
    return destination


def answered(destination: Destination, now: datetime) -> bool:
    """The probe found it there: one delivery may try. False: somebody decided otherwise meanwhile."""
    won = bool(_as_taken(destination).update(rests_until=None, probed_at=now))
    if won:
        back.send(Destination, destination_id=destination.pk, now=now, proven=False)
    return won


def kept_silent(
    destination: Destination, why: str, now: datetime, chance: float = 0.0, asked: timedelta | None = None
) -> None:
    """No probe is believed for ever: a service may fail at a search and take what is stored all the same. So now and
    then a delivery tries after the rest, whatever the probe found."""
    if not _as_taken(destination).exists():
        return
    failed(destination, why, now, chance, asked)
    if (destination.failures + 1) % TRIES_ANYWAY == 0:
        Destination.objects.filter(pk=destination.pk).update(probed_at=now)


def _as_taken(destination: Destination) -> "QuerySet[Destination]":
    return Destination.objects.filter(
        pk=destination.pk, rests_until=destination.rests_until, failures=destination.failures
    )
