"""The one query of the ledger: lines by destination, by day or by study, each with its difference."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from proxy.books import closed
from proxy.books.counting import ALWAYS, Accounts, added, count
from proxy.deliveries.ledger import Key, Line, line_of
from proxy.routing.models import Destination

DESTINATION, DAY, STUDY = "destination", "day", "study"
DIVISIONS: Final = (DESTINATION, DAY, STUDY)


@dataclass(frozen=True, slots=True)
class Posting:
    """A line, and what it is about: a day, the pseudonymous UID of a study, or everything."""

    about: Key
    line: Line

    @property
    def sort_key(self) -> tuple[str, str]:
        return str(self.about), self.line.destination


def balance(anew: bool = False) -> list[Line]:
    """A line for each destination, by name; retired ones too, as long as they had images. Closed days are added up as
    they were written down; `anew` counts every image."""
    accounts = count([ALWAYS]) if anew else _with_closed_days()
    named = [(pk, name, retired_at) for pk, name, retired_at in _destinations()]
    lines = [(line_of(name, accounts.get(("", pk), {})), retired_at) for pk, name, retired_at in named]
    return [line for line, retired_at in lines if retired_at is None or line.says_something]


def postings(
    by: str, since: date | None = None, *, off_only: bool = False, anew: bool = False
) -> list[Posting]:
    """Lines of what came since that day, in the order of what they are about. Without `since`, everything."""
    written_down = by == DAY and not anew
    made = _posted(_days(since) if written_down else count([(since, None)], by))
    return [one for one in made if one.line.difference or not off_only]


def _with_closed_days() -> Accounts:
    """Read first what is closed, then count the days that were not: whatever is opened or closed meanwhile, each day
    is counted once."""
    spans, figures = closed.totals()
    return _joined(added(("", pk, column, number) for pk, column, number in figures), count(spans))


def _days(since: date | None) -> Accounts:
    book = closed.read(since)
    return _joined(added(book.entries()), count(book.left(), DAY))


def _joined(one: Accounts, other: Accounts) -> Accounts:
    return added(
        (key, pk, column, number)
        for accounts in (one, other)
        for (key, pk), figures in accounts.items()
        for column, number in figures.items()
    )


def _posted(accounts: Accounts) -> list[Posting]:
    names = {pk: name for pk, name, _ in _destinations()}
    made = [Posting(key, line_of(names[pk], figures)) for (key, pk), figures in accounts.items()]
    return sorted((one for one in made if one.line.says_something), key=lambda one: one.sort_key)


def _destinations() -> Iterable[tuple[int, str, object]]:
    return Destination.objects.order_by("name").values_list("pk", "name", "retired_at")
