"""Audit entries as JSON, CSV or DICOM audit messages."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from proxy.audit.actions import EXPORTED
from proxy.audit.exporting import FORMATS, between, paged
from proxy.audit.record import record
from proxy.management.moments import moment
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.routing.breaker import zone
from proxy.storage.keys import KeysMissing


class Command(TeachingCommand):
    help = (
        "Write audit entries to standard output or a new file: JSON lines with all that proves them, CSV for "
        "spreadsheets, or DICOM audit messages (PS3.15 A.5), one in a line. Reading the audit leaves a mark in it."
    )
    examples = (
        "audit_export --since 2026-01-01 --until 2026-02-01 --format csv --to january.csv",
        "audit_export --format dicom",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", metavar="WHEN", help="entries made then or later; a day or a time")
        parser.add_argument("--until", metavar="WHEN", help="entries made before then")
        parser.add_argument("--format", choices=[*FORMATS], default="json")
        parser.add_argument("--to", type=Path, metavar="FILE", help="a new file, readable by its owner only")

    def handle(self, *args: Any, to: Path | None, **options: Any) -> None:
        since, until = _when(options["since"]), _when(options["until"])
        prepare()
        detail = {"format": options["format"]} | {
            name: one.isoformat() for name, one in (("since", since), ("until", until)) if one
        }
        try:
            record(EXPORTED, actor=console_user(), subject="audit", detail=detail)
        except KeysMissing as missing:
            raise CommandError(str(missing)) from None
        lines = FORMATS[options["format"]](paged(between(since, until)))
        self._write(to, lines) if to else self._say(lines)

    def _say(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.stdout.write(line, ending="")

    def _write(self, to: Path, lines: Iterator[str]) -> None:
        try:
            handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CommandError(f"{to} cannot be written: {error.strerror}.") from None


def _when(text: str | None) -> datetime | None:
    try:
        return moment(text, zone()) if text else None
    except ValueError as wrong:
        raise CommandError(str(wrong)) from None
