"""What `pull` and `dispatch` are told on the command line, as values."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Any, Final

from django.core.management.base import CommandError
from django.utils import timezone

from proxy.retrieval.pulls.selection import COLUMNS, Selection, Unusable, lines_of, read_file, read_selection
from proxy.routing import breaker, windows
from proxy.routing.models import Node
from proxy.routing.windows import Hours, Window, WrongWindow

MOST: Final = 100_000
USUAL: Final = 1_000
MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """`selections` name persons, and are not shown."""

    node: Node
    selections: tuple[Selection, ...]
    most: int
    practice: bool
    anew: bool
    rate: float
    window: Window | None


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="node", required=True, metavar="NODE", help="the node to ask, by its name"
    )
    for name in COLUMNS:
        parser.add_argument(f"--{name}", default="", help=HELP[name])
    parser.add_argument(
        "--query-file",
        type=Path,
        metavar="FILE",
        help="CSV, one query in each line; the first line names its columns out of "
        f"{', '.join(COLUMNS)}. With - it is read from standard input",
    )
    parser.add_argument(
        "--max", type=int, default=USUAL, help=f"take so many studies at most (default {USUAL})"
    )
    parser.add_argument(
        "--practice", action="store_true", help="only ask, and say in counts what it would take"
    )
    parser.add_argument("--anew", action="store_true", help="do not go on with what the same call has begun")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="so many images a second at most, on the long run"
    )
    parser.add_argument(
        "--between",
        metavar="20:00-06:00",
        help="only at these hours of SITE_TIME_ZONE; days may stand before them, as in Mon-Fri 20:00-06:00; --practice "
        "asks at once",
    )


HELP: Final = {
    "patient": "a Patient ID. What stands on a command line, other users of this machine can see: use --query-file",
    "issuer": "of the Patient ID: only studies of which the PACS says that it is theirs",
    "study": "a Study Instance UID",
    "accession": "an accession number",
    "date-range": "study dates: 20240101, 20240101-20240131, 20240101- or -20240131",
    "modality": "of the above only studies with this modality",
}


def read(options: dict[str, Any]) -> Wanted:
    """Raises CommandError."""
    most, rate = options["max"], options["rate"]
    if not 1 <= most <= MOST:
        raise CommandError(f"--max is a number from 1 to {MOST}.")
    if not 0 <= rate < float("inf"):
        raise CommandError("--rate is a number of images, 0 for no limit.")
    try:
        window = windows.read(options["between"]) if options["between"] else None
        selections = _selections(options)
    except WrongWindow as why:
        raise CommandError(f"--between: {why}") from None
    except Unusable as why:
        raise CommandError(str(why)) from None
    node = node_named(options["node"])
    return Wanted(node, selections, most, options["practice"], options["anew"], rate, window)


def _selections(options: dict[str, Any]) -> tuple[Selection, ...]:
    given = {name: options[name.replace("-", "_")] for name in COLUMNS}
    file: Path | None = options["query_file"]
    if file is None:
        return (read_selection(given),)
    if any(given.values()):
        raise Unusable("Say either what is wanted, or --query-file.")
    try:
        return _from(file)
    except OSError as error:
        raise Unusable(f"The query file cannot be read: {error.strerror}.") from None


def _from(file: Path) -> tuple[Selection, ...]:
    if str(file) == "-":
        found = tuple(read_file(lines_of(sys.stdin.buffer)))
    else:
        with file.open("rb") as lines:
            found = tuple(read_file(lines_of(lines)))
    if not found:
        raise Unusable("The query file has no query below its first line.")
    return tuple(dict.fromkeys(found))


def node_named(name: str) -> Node:
    node = Node.objects.filter(name=name, retired_at=None).first()
    if node is None:
        names = ", ".join(
            Node.objects.filter(retired_at=None).order_by("name").values_list("name", flat=True)
        )
        raise CommandError(
            f"There is no node {name}; there are: {names or 'none'}. `configure` makes nodes of a site file."
        )
    return node


def waiting_for(window: Window | None, say: Callable[[str], None]) -> Callable[[], None]:
    """Waits until the hours begin in which the PACS may be asked."""

    def wait() -> None:
        if window is None:
            return
        if opens := _shut_until(window):
            say(f"Waiting until {opens.astimezone(breaker.zone()):%H:%M}, as --between says.")
        while opens := _shut_until(window):
            sleep(min(max(0.0, (opens - timezone.now()).total_seconds()), MINUTE))

    return wait


def _shut_until(window: Window) -> datetime | None:
    """None while it is open. One that never opens again is none that can be written."""
    found: Hours = windows.hours([window], timezone.now(), breaker.zone())
    return None if found.is_open else found.until
