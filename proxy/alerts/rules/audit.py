"""Can the audit be believed? What `verify_audit` finds is an alert, too; a long chain is read once an hour."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from proxy.alerts.findings import MINUTE, Finding, Rule, counted
from proxy.alerts.lifecycle import CLEARED
from proxy.alerts.models import Alert
from proxy.audit import anchors, guard, sending
from proxy.audit.models import Entry
from proxy.audit.verify import verify

LATE: Final = timedelta(hours=1)
AT_ONCE: Final = 50_000
"""So many entries are read in a second or two."""
FIRST_MINUTES: Final = 6
"""Of each hour: one look at least falls into them."""
MOST_TOLD: Final = 10
"""Findings, each an alert of its own: what is done later to other entries is told, too."""


def damaged(now: datetime) -> Iterator[Finding]:
    """Between two readings of a long chain it is as it was found."""
    if Entry.objects.count() > AT_ONCE and now.minute >= FIRST_MINUTES:
        open_ones = Alert.objects.filter(rule=DAMAGED).exclude(state=CLEARED)
        yield from (Finding(one.subject, one.sentence) for one in open_ones)
        return
    report = verify(anchors.file())
    for one in report.findings[:MOST_TOLD]:
        yield Finding(f"{one.kind} at {one.first}", one.sentence)
    if report.findings[MOST_TOLD:]:
        yield Finding("and more", report.sentence(), len(report.findings))


def unguarded(now: datetime) -> Iterator[Finding]:
    gone = guard.missing(connection)
    if gone:
        yield Finding("audit", f"{counted(len(gone), 'trigger')} of its table cannot be found.")


def unsent(now: datetime) -> Iterator[Finding]:
    """Entries that the syslog server ought to have had long ago."""
    server = sending.server()
    if server is None:
        return
    since = sending.waiting_since()
    if since is not None and since < now - LATE:
        waiting, reason = sending.standing()
        yield Finding(str(server), f"{counted(waiting, 'entry')} not sent yet. {reason}".strip(), waiting)


DAMAGED: Final = "audit-damaged"
RULES: Final = (
    Rule(
        DAMAGED,
        "the audit was tampered with",
        "Keep what `verify_audit` says, and the database as it is; find out who could write there. If entries can no"
        " longer be appended, `verify_audit --carry-on WHY` goes on, and the chain says so for good.",
        damaged,
        every=5 * MINUTE,
    ),
    Rule(
        "audit-unguarded",
        "nothing keeps audit entries from being changed",
        "Find out who took the triggers away, run `verify_audit` and keep what it says; then `doctor --repair` puts"
        " them back.",
        unguarded,
        every=5 * MINUTE,
    ),
    Rule(
        "audit-unsent",
        "the syslog server does not get the audit",
        "Nothing is lost: every entry waits in the database. Look at the server, its certificate and ours"
        " (AUDIT_SYSLOG and what stands beside it); `doctor` says how many wait and why.",
        unsent,
        every=5 * MINUTE,
    ),
)
