"""Do the books balance?"""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from proxy.books import balance
from proxy.deliveries.ledger import Line
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand

COLUMNS = (
    *("destination", "received", "delivered", "excluded", "held", "in flight"),
    *("committed", "expired", "difference"),
)


class Command(TeachingCommand):
    help = (
        "For every destination, in images: received = delivered + excluded + held + in flight; "
        "committed are those of the delivered that the destination answers for by storage commitment, "
        "expired are those of the received whose files are gone here. "
        "Exit code 1 if any difference is not 0."
    )
    examples = ("ledger", "ledger --json")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the lines as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        lines = balance()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(line) | {"difference": line.difference} for line in lines]))
        else:
            self.stdout.write(table([COLUMNS, *(row(line) for line in lines)]))
        if any(line.difference for line in lines):
            self.stderr.write("The books do not balance; run `manage.py doctor`.")
            sys.exit(1)


def row(line: Line) -> tuple[str, ...]:
    figures = (line.received, line.delivered, line.excluded, line.held, line.in_flight)
    return (line.destination, *map(str, (*figures, line.committed, line.expired, line.difference)))


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as they must be; figures to the right."""
    widths = [max(len(one[column]) for one in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join([one[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(one[1:], widths[1:]))])  # noqa: B905
        for one in rows
    )
