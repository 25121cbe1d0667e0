"""Send a destination once more what it got."""

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from proxy.deliveries.models import Priority
from proxy.deliveries.replay import Amount, Span, WrongSpan, outlook, replay
from proxy.management.moments import moment
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.routing.breaker import zone
from proxy.routing.models import Destination
from proxy.routing.standing import standstill_of
from proxy.storage.keys import KeysMissing

PRIORITIES = {one.label.lower(): one for one in Priority}


class Command(TeachingCommand):
    help = (
        "Send a destination once more what was delivered to it in a span of time: it was rebuilt, or lost what it had. "
        "Times are by the clock of SITE_TIME_ZONE. What goes again goes behind what is new, unless --priority says "
        "otherwise. What has expired here cannot go: its source has it; nor can what holds a series that is excluded "
        "by now. Broken off, the same call with the same "
        "--until goes on. Leaves a mark in the audit."
    )
    examples = (
        "replay --destination research-pacs --since 2026-01-15 --dry-run",
        "replay --destination research-pacs --since 2026-01-15T18:00 --until 2026-01-16T06:00",
        "replay --destination research-pacs --since 2026-01-15 --priority urgent --because 'its disk was lost'",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--destination", required=True, metavar="NAME")
        parser.add_argument(
            "--since",
            required=True,
            type=given,
            metavar="TIME",
            help="delivered from then on; a day begins at 0:00",
        )
        parser.add_argument(
            "--until", type=given, metavar="TIME", help="delivered before then (default: now)"
        )
        parser.add_argument(
            "--priority", choices=PRIORITIES, default="bulk", help="its turn among what waits (bulk)"
        )
        parser.add_argument(
            "--because", default="", metavar="WHY", help="for the audit; never a patient's name or number"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        destination, now = known(options["destination"]), timezone.now()
        span = spanning(options["since"], options["until"], now)
        if options["dry_run"]:
            self._tell(destination, span, outlook(destination, span), "would go")
            return
        priority, why = PRIORITIES[options["priority"]], options["because"].strip()
        try:
            amount = replay(destination, span, console_user(), now, priority, why)
        except KeysMissing as missing:
            raise CommandError(str(missing)) from None
        self._tell(destination, span, amount, "goes" if amount.deliveries == 1 else "go")

    def _tell(self, destination: Destination, span: Span, amount: Amount, verb: str) -> None:
        between = f"{_local(span.since)} and {_local(span.until)} ({zone()})"
        what = f"{number(amount.deliveries, 'delivery', 'deliveries')} ({number(amount.images, 'image', 'images')})"
        self.stdout.write(f"{what} of between {between} {verb} to {destination} once more.")
        if amount.expired:
            gone = number(amount.expired, "delivery", "deliveries")
            self.stdout.write(
                f"{gone} cannot: the files have expired here. Send them again from their source."
            )
        if amount.excluded:
            kept = number(amount.excluded, "delivery", "deliveries")
            self.stdout.write(
                f"{kept} cannot: a series is excluded by now. It stays here until it is included."
            )
        still = standstill_of(destination, timezone.now())
        if still is not None and amount.deliveries:
            self.stdout.write(f"Nothing goes there now: {still.why.rstrip('.')}. {still.todo}")


def given(text: str) -> datetime:
    try:
        return moment(text, zone())
    except ValueError as wrong:
        raise ArgumentTypeError(str(wrong)) from None


def known(name: str) -> Destination:
    row = Destination.objects.filter(name=name).first()
    if row is None:
        names = ", ".join(
            Destination.objects.filter(retired_at=None).order_by("name").values_list("name", flat=True)
        )
        raise CommandError(f"There is no destination {name}; there are: {names or 'none'}.")
    if row.is_retired:
        raise CommandError(f"{name} is retired: nothing is sent there. Reinstate it first.")
    return row


def spanning(since: datetime, until: datetime | None, now: datetime) -> Span:
    try:
        return Span.of(since, until, now)
    except WrongSpan as wrong:
        raise CommandError(str(wrong)) from None


def number(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count} {many}"


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(zone()):%Y-%m-%d %H:%M:%S}"
