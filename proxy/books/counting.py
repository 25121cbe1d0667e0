"""Count what the rows say, for any span of days: images that went out, and results that came home."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import CharField, F, Model, Q, Value
from django.db.models.functions import TruncDate

from proxy.deliveries import ledger
from proxy.deliveries.ledger import Key, Rows
from proxy.quarantine.models import HeldItem
from proxy.retrieval.home import tally
from proxy.retrieval.models import Result
from proxy.studies.models import Revision

Span = tuple[date | None, date | None]
"""From this day, before that day; None: without an end."""
Figures = dict[str, int]
Accounts = dict[tuple[Key, int], Figures]
"""By key and destination, what stands in each column of the ledger."""

ALWAYS: Final[Span] = (None, None)


@dataclass(frozen=True, slots=True)
class Division:
    """What a line is about: `images` for what goes out, `result` for what comes home."""

    images: ledger.By
    result: Any


DIVISIONS: Final[Mapping[str, Division]] = {
    "destination": Division(ledger.WHOLE, Value("", CharField())),
    "day": Division(ledger.BY_DAY, TruncDate("result__received_at")),
    "study": Division(ledger.BY_STUDY, F("result__study_uid")),
}


def count(spans: Sequence[Span] = (ALWAYS,), by: str = "destination") -> Accounts:
    """What came in these spans, and what became of it. Results have a statement of their own: nothing moves from the
    one to the other."""
    if not spans:
        return {}
    division = DIVISIONS[by]
    revisions = _among("revision__in", Revision, "opened_at", spans)
    held = _among("helditem__in", HeldItem, "held_at", spans)
    images = ledger.entries(Rows(bound=revisions, held=held, sent=revisions), division.images)
    results = tally.entries(_among("result__in", Result, "received_at", spans), division.result)
    return added([*images, *results])


def _among(what: str, model: type[Model], field: str, spans: Sequence[Span]) -> Q:
    """A question of its own, about one table: there a planner takes the index for every span, and for what is joined
    it starts from what that gave. Asked about joined rows, SQLite walks through all of them."""
    if ALWAYS in spans:
        return Q()
    return Q(**{what: model._default_manager.filter(within(spans, field)).order_by().values("pk")})


def added(entries: Iterable[tuple[Key, int, str, int | None]]) -> Accounts:
    accounts: Accounts = {}
    for key, destination_id, column, number in entries:
        figures = accounts.setdefault((key, destination_id), {})
        figures[column] = figures.get(column, 0) + (number or 0)
    return accounts


def within(spans: Sequence[Span], field: str) -> Q:
    """A condition on a time: on one of the days of these spans."""
    return reduce(or_, (_span(span, field) for span in spans))


def _span(span: Span, field: str) -> Q:
    begin, end = span
    condition = Q()
    if begin is not None:
        condition &= Q(**{f"{field}__gte": midnight(begin)})
    if end is not None:
        condition &= Q(**{f"{field}__lt": midnight(end)})
    return condition


def midnight(day: date) -> datetime:
    """When it begins, in UTC."""
    return datetime.combine(day, time(), UTC)


def one_day(day: date) -> Span:
    return day, day + timedelta(days=1)
