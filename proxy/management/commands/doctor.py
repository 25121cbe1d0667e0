"""Look at the whole house."""

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection

from proxy.audit import actions
from proxy.audit.record import record
from proxy.management.doctor import (
    alerts,
    backend,
    base,
    books,
    doors,
    folders,
    forgotten,
    numbers,
    restored,
    service,
    sites,
    stock,
    webs,
    wire,
)
from proxy.management.doctor.findings import FAIL, Examination, Finding, examine, fail
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user

FOUNDATION: tuple[tuple[str, Examination], ...] = (
    ("settings", base.examine_settings),
    ("keys", base.examine_keys),
    ("database", base.examine_database),
    ("tables", base.examine_migrations),
    ("disk", folders.examine_folders),
)
HOUSE: tuple[tuple[str, Examination], ...] = (
    ("vault", base.examine_vault),
    ("escrow", base.examine_escrow),
    ("forgotten", forgotten.examine_forgotten),
    ("site", sites.examine_site),
    ("restored", restored.examine_restored),
    ("listener", wire.examine_listener),
    ("tls", wire.examine_tls),
    ("refused", wire.examine_refusals),
    ("web", wire.examine_web),
    ("peer", wire.examine_peers),
    ("web-peer", webs.examine_webs),
    ("service", service.examine_service),
    ("backend", backend.examine_backend),
    ("api", doors.examine_doors),
    ("images", stock.examine_images),
    ("quarantine", stock.examine_quarantine),
    ("results", stock.examine_results),
    ("seals", stock.examine_seals),
    ("numbers", numbers.examine_numbers),
    ("leftovers", stock.examine_leftovers),
    ("deliveries", books.examine_counters),
    ("ledger", books.examine_ledger),
    ("work", books.examine_movement),
    ("pulls", books.examine_pulls),
    ("audit", books.examine_audit),
    ("alerts", alerts.examine_alerts),
)
NEEDED = {"keys", "database", "tables"}


class Command(TeachingCommand):
    help = (
        "Look at the whole house: settings, keys, database, disks, ports, peers, files, seals, books, audit. "
        "A line for each: ok, warn or FAIL, and what to do. Exit code 1 if anything is wrong. Looking changes "
        "nothing; --repair mends what needs no person's judgement."
    )
    examples = ("doctor", "doctor --repair", "doctor --json")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair", action="store_true", help="mend what is safe: leftovers, counters, modes"
        )
        parser.add_argument("--json", action="store_true", help="the findings as JSON")
        parser.add_argument(
            "--restore-was-tried", action="store_true", help="note in the audit that a restore was tried"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        first = prepare_if_new()
        if options["restore_was_tried"]:
            record(actions.RESTORE_TRIED, actor=console_user())
        found = [*first, *look()]
        mended = mend(found) if options["repair"] else []
        if mended:
            found = look()
        self._json(found, mended) if options["json"] else self._lines(found, mended)
        if any(finding.level == FAIL for finding in found):
            sys.exit(1)

    def _lines(self, found: list[Finding], mended: list[str]) -> None:
        for sentence in mended:
            self.stdout.write(f"mended  {sentence}")
        for finding in found:
            self.stdout.write(str(finding))
        wrong = sum(finding.level == FAIL for finding in found)
        self.stdout.write(f"{wrong} wrong." if wrong else "Nothing is wrong.")

    def _json(self, found: list[Finding], mended: list[str]) -> None:
        said = {"findings": [finding.as_json() for finding in found], "mended": mended}
        self.stdout.write(json.dumps(said, indent=2))


def prepare_if_new() -> list[Finding]:
    """A house that was never used is made ready; one that was is only looked at."""
    try:
        if not connection.introspection.table_names():
            prepare()
    except CommandError as trouble:
        return [fail("start", str(trouble))]
    except DatabaseError:
        return []  # the examination of the database says it better
    return []


def look() -> list[Finding]:
    """Without keys, database or tables there is nothing more to look at."""
    found = examine(FOUNDATION)
    if any(finding.level == FAIL and finding.area in NEEDED for finding in found):
        return found
    return found + examine(HOUSE)


def mend(found: list[Finding]) -> list[str]:
    return [finding.repair() for finding in found if finding.repair is not None]
