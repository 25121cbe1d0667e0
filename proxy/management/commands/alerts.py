"""What is wrong, and who would be told?"""

import json
import secrets
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from proxy.alerts import channels
from proxy.alerts.lifecycle import CLEARED, SEEN
from proxy.alerts.models import Alert
from proxy.alerts.rules import BY_NAME
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand

SHOWN = 50


class Command(TeachingCommand):
    help = (
        "The alerts that are open, each with what to do (docs/alerts.md). --test tells a test on every channel and "
        "says what came of it. Exit code 1 if an alert is open, or a channel fails."
    )
    examples = ("alerts", "alerts --cleared", "alerts --test")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cleared", action="store_true", help="those that were cleared last, too")
        parser.add_argument("--test", action="store_true", help="tell a test on every channel, now")
        parser.add_argument("--json", action="store_true", help="the alerts as JSON")

    def handle(self, *args: Any, cleared: bool, test: bool, **options: Any) -> None:
        prepare()
        if test:
            sys.exit(0 if self._try_channels() else 1)
        rows = [*open_alerts(), *(last_cleared() if cleared else ())]
        if options["json"]:
            self.stdout.write(json.dumps([as_json(row) for row in rows]))
        else:
            self.stdout.write("\n".join(map(sentence, rows)) or "No alert is open.")
        if any(row.state != CLEARED for row in rows):
            sys.exit(1)

    def _try_channels(self) -> bool:
        """Whether all that are set have told it, and one is set."""
        fine = bool(channels.in_force())
        if not fine:
            self.stderr.write("No channel is set: set ALERT_EMAIL_TO or ALERT_WEBHOOK_URL.")
        for one in channels.in_force():
            trouble = one.tell(a_test())
            fine = fine and trouble is None
            said = "told" if trouble is None else f"NOT told: {trouble.reason}"
            self.stdout.write(f"{one.name} to {one.place()}: {said}")
        return fine


def open_alerts() -> list[Alert]:
    return list(Alert.objects.exclude(state__in=[SEEN, CLEARED]).order_by("-raised_at", "pk"))


def last_cleared() -> list[Alert]:
    return list(Alert.objects.filter(state=CLEARED).order_by("-cleared_at")[:SHOWN])


def sentence(row: Alert) -> str:
    rule = BY_NAME.get(row.rule)
    since = f"since {row.found_at:%Y-%m-%d %H:%M} UTC"
    if row.state == CLEARED:
        return f"cleared  {row.subject}: {rule.title if rule else row.rule}: {row.sentence}"
    advice = f"\n         {rule.advice}" if rule else ""
    return (
        f"{row.state:7}  {row.subject}: {rule.title if rule else row.rule}, {since}: {row.sentence}{advice}"
    )


def as_json(row: Alert) -> dict[str, Any]:
    return {
        "rule": row.rule,
        "subject": row.subject,
        "state": row.state,
        "sentence": row.sentence,
        "since": row.found_at.isoformat(),
        "cleared": row.cleared_at.isoformat() if row.cleared_at else None,
    }


def a_test() -> dict[str, Any]:
    now = timezone.now().isoformat(timespec="seconds")
    entry = {
        "event": "test",
        "alert": 0,
        "rule": "test",
        "title": "nothing is wrong",
        "subject": "a test",
        "sentence": "Somebody has tried whether alerts arrive.",
        "advice": "",
        "since": now,
    }
    return {
        "id": secrets.token_hex(16),
        "at": now,
        "from": settings.DICOM_AE_TITLE,
        "alerts": [entry],
        "more": 0,
    }
