"""Lines for the admin's pages: does anything leave with a name, is anything wrong, do the books balance, is the audit
whole?"""

import time
from dataclasses import dataclass
from datetime import timedelta

from django import template
from django.utils import timezone

from proxy.alerts.lifecycle import RAISED, STILL
from proxy.alerts.models import Alert, Look
from proxy.audit import anchors
from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.backend.remembered import anonymizes
from proxy.books.balance import balance
from proxy.storage.keys import KeysMissing

register = template.Library()

RESTORED = (
    "DICOM_ANONYMIZE_PATIENTS is off: images leave with the patients' names, to DICOM nodes with the identified view."
    " Every other destination gets nothing."
)
AT_ONCE = 5_000
FRESH_FOR = 60.0
SILENT = timedelta(minutes=10)
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Line:
    """`fine` is None where it was not looked at now."""

    fine: bool | None
    sentence: str


_last: dict[str, tuple[float, Line]] = {}


@register.simple_tag
def restored_line() -> str:
    """For every page; nothing where only pseudonymous images leave."""
    return "" if anonymizes() else RESTORED


@register.simple_tag
def audit_line() -> Line:
    """The verdict of the last minute; long chains are verified when somebody asks."""
    count = Entry.objects.count()
    if count > AT_ONCE:
        return Line(None, f"{count} audit entries; press Verify to read them all.")
    known = _last.get("audit")
    if known is None or time.monotonic() - known[0] > FRESH_FOR:
        known = (time.monotonic(), _verdict())
        _last["audit"] = known
    return known[1]


def _verdict() -> Line:
    try:
        report = verify(anchors.file())
    except KeysMissing as missing:
        return Line(False, str(missing))
    return Line(report.ok, report.sentence())


@register.simple_tag
def alert_line() -> Line:
    """Rules look while `work` runs."""
    last = Look.objects.order_by("-looked_at").values_list("looked_at", flat=True).first()
    if last is None or timezone.now() - last > SILENT:
        since = f" since {last:%Y-%m-%d %H:%M} UTC" if last else ""
        return Line(False, f"No rule has looked for trouble{since}; does `work` run?")
    rows = list(
        Alert.objects.filter(state__in=[RAISED, STILL]).values_list("subject", flat=True)[:MOST_NAMED]
    )
    if rows:
        return Line(False, f"Open alerts: {', '.join(rows)}{' ...' if len(rows) == MOST_NAMED else ''}.")
    return Line(True, "No alert is open.")


@register.simple_tag
def ledger_line() -> Line:
    lines = balance()
    off = [line for line in lines if line.difference]
    if off:
        return Line(False, f"The ledger is off by {off[0].difference} at {off[0].destination}.")
    places = "1 destination" if len(lines) == 1 else f"{len(lines)} destinations"
    return Line(True, f"The books balance at {places}.")
