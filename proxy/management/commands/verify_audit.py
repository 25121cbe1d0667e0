"""Was anything done to the audit?"""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from proxy.audit import anchors
from proxy.audit.leaving import NotExported
from proxy.audit.mend import NothingToMend, carry_on
from proxy.audit.verify import Report, verify
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.storage.keys import KeysMissing


class Command(TeachingCommand):
    help = (
        "Read every audit entry again: edited, deleted, inserted, moved or cut-off entries are named. "
        "Exit code 1 if the chain is not whole."
    )
    examples = (
        "verify_audit",
        "verify_audit --anchors /mnt/elsewhere/anchors",
        "verify_audit --exported backups/audit/audit-1-5000-20260101T020000000000.jsonl",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--anchors",
            type=Path,
            metavar="FILE",
            help="how far the chain reached, kept elsewhere; by default the file AUDIT_ANCHORS",
        )
        parser.add_argument(
            "--exported",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="what retention let go, the oldest first: then all is read from the first entry on",
        )
        parser.add_argument(
            "--carry-on",
            metavar="WHY",
            help="after damage to the chain's head, or a database put back by hand: go on appending; the chain says who"
            " did it and why, for good",
        )
        parser.add_argument("--json", action="store_true", help="the verdict as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        for file in filter(None, [options["anchors"], *options["exported"]]):
            if not file.is_file():
                raise CommandError(f"There is no file {file}.")
        anchored = options["anchors"] or anchors.file()
        if options["carry_on"]:
            self._carry_on(options["carry_on"], anchored)
        report = self._report(anchored, options["exported"])
        self._json(report) if options["json"] else self._lines(report)
        if not report.ok:
            sys.exit(1)

    def _report(self, anchored: Path, exported: list[Path]) -> Report:
        try:
            return verify(anchored, exported=exported)
        except (KeysMissing, NotExported) as trouble:
            raise CommandError(str(trouble)) from None
        except OSError as error:
            raise CommandError(f"A file cannot be read: {error.strerror}.") from None

    def _carry_on(self, why: str, anchored: Path) -> None:
        try:
            carry_on(actor=console_user(), purpose=why, anchored=anchored)
        except (NothingToMend, KeysMissing) as trouble:
            raise CommandError(str(trouble)) from None

    def _lines(self, report: Report) -> None:
        self.stdout.write(report.sentence())
        for finding in report.findings[1:]:
            self.stdout.write(finding.sentence)

    def _json(self, report: Report) -> None:
        findings = [finding.sentence for finding in report.findings]
        self.stdout.write(json.dumps({"whole": report.ok, "entries": report.count, "findings": findings}))
