"""What is written down of closed days, and which spans of days are left to be counted."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db.models import Sum

from proxy.books.counting import Figures, Span
from proxy.books.models import Day, DayLine
from proxy.deliveries import ledger

MOST_SPANS: Final = 32
PATIENCE: Final = 3
ONE: Final = timedelta(days=1)
COLUMNS: Final = {
    "received": ledger.RECEIVED,
    "delivered": ledger.DELIVERED,
    "excluded": ledger.EXCLUDED,
    "quarantined": ledger.QUARANTINED,
    "committed": ledger.COMMITTED,
    "expired": ledger.EXPIRED,
}
"""Of a `DayLine`. Nothing is in flight on a closed day, and no study of it is held."""


@dataclass(frozen=True, slots=True)
class Book:
    """The closed days since `since`, each with the figures of its destinations, as they were at one moment."""

    days: Mapping[date, Mapping[int, Figures]]
    since: date | None = None

    def left(self) -> list[Span]:
        """What is left to be counted."""
        return spans_between(sorted(self.days), self.since)

    def entries(self) -> Iterator[tuple[date, int, str, int]]:
        """(day, destination, column, images) of closed days that lie in none of the spans that are left."""
        spans = self.left()
        for day, lines in self.days.items():
            if not is_within(day, spans):
                for destination_id, figures in lines.items():
                    yield from ((day, destination_id, column, images) for column, images in figures.items())


def read(since: date | None = None) -> Book:
    """In one statement."""
    rows = Day.objects.exclude(closed_at=None).order_by("day")
    if since is not None:
        rows = rows.filter(day__gte=since)
    columns = [f"lines__{name}" for name in COLUMNS]
    days: dict[date, dict[int, Figures]] = {}
    for day, destination_id, *figures in rows.values_list("day", "lines__destination", *columns):
        lines = days.setdefault(day, {})
        if destination_id is not None:
            lines[destination_id] = dict(zip(COLUMNS.values(), figures, strict=True))
    return Book(days, since)


def totals() -> tuple[list[Span], Iterator[tuple[int, str, int]]]:
    """What is left to be counted, and (destination, column, images) of all closed days together, added up where they
    lie. They belong together: if a day was opened or closed between the questions, they are asked again."""
    for _ in range(PATIENCE):
        days = _closed_days()
        spans = spans_between(days, None)
        if any(is_within(day, spans) for day in (days if len(spans) == MOST_SPANS else ())):
            break  # spans were joined across closed days: their lines are not to be added
        figures = _sums()
        if _closed_days() == days:
            return spans, iter(figures)
    book = read()
    return book.left(), ((pk, column, images) for _, pk, column, images in book.entries())


def _closed_days() -> list[date]:
    return list(Day.objects.exclude(closed_at=None).order_by("day").values_list("day", flat=True))


def _sums() -> list[tuple[int, str, int]]:
    lines = DayLine.objects.exclude(day__closed_at=None).order_by()
    sums = lines.values_list("destination").annotate(*(Sum(name) for name in COLUMNS))
    return [
        (destination_id, column, images)
        for destination_id, *figures in sums
        for column, images in zip(COLUMNS.values(), figures, strict=True)
    ]


def spans_between(closed: Sequence[date], since: date | None, most: int = MOST_SPANS) -> list[Span]:
    """The spans in which no day is closed; at most so many, so that the question stays short. For that, spans are
    joined across the fewest closed days: these are counted, too."""
    begins = [since, *(day + ONE for day in closed)]
    ends = [*closed, None]
    spans = [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin is None or begin != end]
    while len(spans) > most:
        at = min(range(1, len(spans)), key=lambda number: _between(spans[number - 1], spans[number]))
        spans[at - 1 : at + 1] = [(spans[at - 1][0], spans[at][1])]
    return spans


def _between(one: Span, other: Span) -> timedelta:
    end, begin = one[1], other[0]
    return ONE if end is None or begin is None else begin - end


def is_within(day: date, spans: Collection[Span]) -> bool:
    return any((begin is None or begin <= day) and (end is None or day < end) for begin, end in spans)
