"""Do the books balance?"""

import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser

from proxy.books.balance import DAY, DESTINATION, DIVISIONS, STUDY, Posting, balance, postings
from proxy.deliveries.ledger import Line
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand

COLUMNS = (
    *("destination", "received", "delivered", "excluded", "held", "in flight"),
    *("committed", "expired", "difference"),
)
BACK = {DAY: timedelta(days=30), STUDY: timedelta(days=7)}
"""How far one looks back unless one says more: a house has a million studies."""


class Command(TeachingCommand):
    help = (
        "For every destination, in images: received = delivered + excluded + held + in flight; "
        "committed are those of the delivered that the destination answers for by storage commitment, "
        "expired are those of the received whose files are gone here. "
        "An image belongs to the day, in UTC, on which its revision was opened. "
        "Exit code 1 if any difference is not 0."
    )
    examples = (
        "ledger",
        "ledger --by day --since 2026-01-01",
        "ledger --by study --since 2026-01-15 --off",
        "ledger --anew --json",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--by", choices=DIVISIONS, default=DESTINATION, help="a line for each of these (destination)"
        )
        parser.add_argument(
            "--since",
            type=day,
            metavar="YYYY-MM-DD",
            help="what came since this day; by default everything, by day 30 days, by study 7",
        )
        parser.add_argument("--off", action="store_true", help="only lines whose difference is not 0")
        parser.add_argument(
            "--anew", action="store_true", help="count every image, closed days too; takes its time"
        )
        parser.add_argument("--json", action="store_true", help="the lines as JSON")

    def handle(self, *args: Any, by: str, since: date | None, off: bool, **options: Any) -> None:
        prepare()
        found = _wanted(by, since, off, options["anew"])
        self.stdout.write(_as_json(by, found) if options["json"] else table(by, found))
        if any(one.line.difference for one in found):
            self.stderr.write("The books do not balance; run `manage.py doctor`.")
            sys.exit(1)


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("give a day as YYYY-MM-DD.") from None


def _wanted(by: str, since: date | None, off: bool, anew: bool) -> list[Posting]:
    if by == DESTINATION and since is None:
        return [Posting("", line) for line in balance(anew) if line.difference or not off]
    begin = since or (datetime.now(UTC) - BACK.get(by, timedelta())).date()
    return postings(by, begin, off_only=off, anew=anew)


def _as_json(by: str, found: list[Posting]) -> str:
    return json.dumps(
        [
            ({} if by == DESTINATION else {by: str(one.about)})
            | asdict(one.line)
            | {"difference": one.line.difference}
            for one in found
        ]
    )


def row(line: Line) -> tuple[str, ...]:
    figures = (line.received, line.delivered, line.excluded, line.held, line.in_flight)
    return (line.destination, *map(str, (*figures, line.committed, line.expired, line.difference)))


def table(by: str, found: list[Posting]) -> str:
    """Columns as wide as they must be; words to the left, figures to the right."""
    words = 1 if by == DESTINATION else 2
    before = () if by == DESTINATION else (by,)
    rows = [
        (*before, *COLUMNS),
        *((*((str(one.about),) if before else ()), *row(one.line)) for one in found),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_cells(one, widths, words)) for one in rows)


def _cells(cells: tuple[str, ...], widths: list[int], words: int) -> list[str]:
    return [
        cell.ljust(width) if at < words else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
