"""The backend, if there is one: does it answer, and does its WebSocket stand?"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from proxy.alerts.findings import MINUTE, Finding, Rule
from proxy.backend.models import Standing

SILENT: Final = timedelta(minutes=2)
SUBJECT: Final = "backend"


def away(now: datetime) -> Iterator[Finding]:
    if settings.ITH_URL:
        sentence = judge(Standing.objects.filter(pk=1).first(), now)
        if sentence:
            yield Finding(SUBJECT, sentence)


def judge(row: Standing | None, now: datetime) -> str:
    """Empty: all is well."""
    if row is None or row.state == Standing.NEVER:
        return "It was never asked: does `link` run?"
    if row.state != Standing.KNOWN:
        return row.reason or f"It is {row.get_state_display()}."
    if not row.is_active:
        return "It has set this proxy inactive: every association is refused."
    if row.connected_at is None or row.heard_at is None or now - row.heard_at > SILENT:
        return "Its WebSocket does not stand, so what it wants is not heard."
    return ""


RULES: Final = (
    Rule(
        "backend-away",
        "the backend is away",
        "`doctor` asks it now and says what is wrong: address, key, network. What it should hear waits and is sent when"
        " it is back.",
        away,
        patience=10 * MINUTE,
    ),
)
