"""The slow clock of the books: days on which nothing is on its way any more are closed, and closed ones counted again.

A round costs the same however many days and deliveries there are. It enters days that have passed, opens closed days
on which something moves again (a person sends a study once more, decides about a held image), and then counts those
that were counted longest ago: open ones until its time is up, and a few closed ones, so that every day is counted anew
within hours. A day is only closed if its difference is 0.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import TruncDate

from proxy.books.closed import COLUMNS, ONE
from proxy.books.counting import Accounts, count, one_day, within
from proxy.books.models import Day, DayLine
from proxy.deliveries import ledger
from proxy.deliveries import lifecycle as deliveries
from proxy.deliveries.models import Delivery
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.retrieval.home import lifecycle as homeward
from proxy.retrieval.models import Homecoming, Result
from proxy.studies.models import Revision

LOOK_EVERY: Final = 60.0  # seconds
TIME: Final = 1.0  # seconds that a round may count open days
CLOSED_AT_ONCE: Final = 3
GRACE: Final = timedelta(days=1)
"""After its end a day stays open as long: what came last is still on its way."""
RECENT: Final = timedelta(minutes=15)
MOST_ENTERED: Final = 1_000
MOST_COUNTED: Final = 200

Going = Callable[[], bool]


@dataclass(slots=True)
class Round:
    """How many days were entered, opened and closed."""

    entered: int = 0
    opened: int = 0
    closed: int = 0


def look(now: datetime, going: Going = lambda: True, seconds: float = TIME) -> Round:
    done = Round(entered=enter(now), opened=open_moved(now))
    until = time.monotonic() + seconds
    for day in list(_oldest_counted(Day.objects.filter(closed_at=None), now)[:MOST_COUNTED]):
        if not going() or time.monotonic() > until:
            break
        done.closed += _count(day, now)
    for day in list(_oldest_counted(Day.objects.exclude(closed_at=None), now)[:CLOSED_AT_ONCE]):
        if going() and not _count(day, now):
            done.opened += 1
    return done


# --- which days there are -------------------------------------------------------------------------


def enter(now: datetime) -> int:
    """A row for each day that is over; how many are new. What a clock that was ahead has entered is no day yet."""
    end = (now - GRACE).astimezone(UTC).date()
    Day.objects.filter(day__gte=end).delete()
    last = Day.objects.order_by("-day").values_list("day", flat=True).first()
    first = _first_day() if last is None else last + ONE
    if first is None or first >= end:
        return 0
    days = [first + ONE * number for number in range(min((end - first).days, MOST_ENTERED))]
    Day.objects.bulk_create([Day(day=day) for day in days], ignore_conflicts=True)
    return len(days)


def _first_day() -> date | None:
    """Of whatever came first."""
    firsts = (
        Revision.objects.aggregate(first=Min("opened_at"))["first"],
        HeldItem.objects.aggregate(first=Min("held_at"))["first"],
        Result.objects.aggregate(first=Min("received_at"))["first"],
    )
    known = [first for first in firsts if first is not None]
    return min(known).astimezone(UTC).date() if known else None


def _oldest_counted(rows: "QuerySet[Day]", now: datetime) -> "QuerySet[Day]":
    """Not those that this round has counted. NULLs, which were never counted, come first in SQLite and last in
    PostgreSQL unless one says so; a clock that was ahead may have counted in the future."""
    due = rows.exclude(counted_at=now)
    return due.order_by(F("counted_at").asc(nulls_first=True), "day")


# --- what moves again -----------------------------------------------------------------------------


def open_moved(now: datetime) -> int:
    """Open the closed days on which something moves again; how many."""
    moved = {*_sent_again(now), *_decided()}
    return Day.objects.filter(day__in=moved).exclude(closed_at=None).update(closed_at=None) if moved else 0


def _sent_again(now: datetime) -> Iterator[date]:
    """Days of what waits since a moment ago, or is sent. What has waited for long, is of open days."""
    for model, day, waiting, claimed in (
        (Delivery, "revision__opened_at", deliveries.WAITING, deliveries.CLAIMED),
        (Homecoming, "result__received_at", homeward.WAITING, homeward.CLAIMED),
    ):
        rows: QuerySet[Any] = model._default_manager.order_by().values_list(TruncDate(day), flat=True)
        yield from rows.filter(state=waiting, next_try_at__gte=now - RECENT).distinct()
        yield from rows.filter(state=claimed, lease_until__isnull=False).distinct()


def _decided() -> Iterable[date]:
    """Closed days with another number of images in quarantine than when they were counted."""
    held = HeldItem.objects.filter(state=HELD, file_gone_at=None).order_by()
    found = dict(held.values_list(TruncDate("held_at")).annotate(images=Count("pk")))
    known = Day.objects.exclude(closed_at=None).filter(Q(day__in=list(found)) | Q(quarantined__gt=0))
    return [day for day, images in known.values_list("day", "quarantined") if found.get(day, 0) != images]


# --- counting one day -----------------------------------------------------------------------------


def _count(day: Day, now: datetime) -> bool:
    """Count it, and close it if nothing of it moves; whether it is closed. Of two that count, the first one writes."""
    mine = Day.objects.filter(pk=day.pk, counted_at=day.counted_at)
    span = one_day(day.day)
    quarantined = HeldItem.objects.filter(within([span], "held_at"), state=HELD).count()
    accounts = count([span])
    closed = is_over(accounts)
    with transaction.atomic():
        told = {"counted_at": now, "closed_at": (day.closed_at or now) if closed else None}
        if not mine.update(quarantined=quarantined, **told):
            return closed
        DayLine.objects.filter(day=day).delete()
        DayLine.objects.bulk_create(_lines(day, accounts) if closed else [])
    return closed


def is_over(accounts: Accounts) -> bool:
    """Nothing is on its way, no study waits for a person, and the difference is 0. What is in quarantine may stay
    there for years: a day does not wait for it."""
    return all(_is_over(figures) for figures in accounts.values())


def _is_over(figures: Mapping[str, int]) -> bool:
    waiting = figures.get(ledger.IN_FLIGHT, 0) or figures.get(ledger.HELD, 0)
    return not waiting and not ledger.line_of("", figures).difference


def _lines(day: Day, accounts: Accounts) -> list[DayLine]:
    return [
        DayLine(
            day=day,
            destination_id=pk,
            **{name: figures.get(column, 0) for name, column in COLUMNS.items()},
        )
        for (_, pk), figures in accounts.items()
    ]
