"""Give clean files their identity back."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from proxy.management import restoring
from proxy.management.askers import acting
from proxy.management.batch import mapping
from proxy.management.batch.fates import REFUSED
from proxy.management.batch.finding import found
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.routing.models import Project
from proxy.storage.errors import SealBroken
from proxy.vault.reidentify import NotAllowed, Principal


class Command(TeachingCommand):
    help = (
        "Restore clean DICOM files of ours, one or all below a folder, into OUT: the data set byte for byte as it "
        "was. The user named by --as must hold the permission vault.view_identity, and each look leaves a mark in "
        "the audit with the purpose. OUT then names patients: guard it. Exit code 0 only if all were restored."
    )
    examples = (
        'reidentify clean originals --as ada --purpose "recall of trial 7"',
        'reidentify --map trial-7.csv.sealed trial-7.csv --as ada --purpose "recall of trial 7"',
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="IN", type=Path, help="a clean file, a folder, or a sealed map")
        parser.add_argument(
            "target", metavar="OUT", type=Path, help="the folder for restored files, or the CSV"
        )
        parser.add_argument("--map", action="store_true", help="IN is a sealed map of `deidentify --map`")
        parser.add_argument("--as", dest="user", required=True, help="who asks: a user of the web pages")
        parser.add_argument("--purpose", required=True, help="why; it stands in the audit for good")
        parser.add_argument(
            "--project", default="default", help="whose pseudonyms these are (default: default)"
        )

    def handle(self, *args: Any, source: Path, target: Path, **options: Any) -> None:
        prepare()
        project = Project.objects.filter(name=options["project"]).first()
        if project is None or not source.exists():
            raise CommandError("There is no such project." if source.exists() else "IN is not there.")
        if not options["map"]:
            _refuse_mixing(source.resolve(), target.resolve())
        who = acting(options["user"])
        if options["map"]:
            self._read_map(source, target, project.pk, who, options["purpose"])
            return
        try:
            fates = list(restoring.restored(found(source), source, target, project, who, options["purpose"]))
        except NotAllowed as refused:
            raise CommandError(str(refused)) from None
        for kind, count in Counter(fate.kind for fate in fates).items():
            self.stdout.write(f"{count} {kind}")
        for number, fate in enumerate(fates, start=1):
            if fate.reason:
                self.stdout.write(f"file {number} {fate.kind}: {fate.reason}")
        if any(fate.kind == REFUSED for fate in fates):
            sys.exit(1)

    def _read_map(self, source: Path, target: Path, project_id: int, who: Principal, purpose: str) -> None:
        if target.exists():
            raise CommandError("OUT is there already.")
        try:
            seen = mapping.read(source, project_id, who, purpose)
            mapping.write_new(target, mapping.as_csv(seen.rows))
        except (NotAllowed, SealBroken, OSError) as trouble:
            raise CommandError(_said(trouble)) from None
        self.stdout.write(f"{len(seen.rows)} rows. OUT now names persons: guard it.")
        if seen.forgotten:
            self.stdout.write(f"{seen.forgotten} rows are of persons who were forgotten.")


def _refuse_mixing(inside: Path, outside: Path) -> None:
    """Clean files are given away: no original may lie among them."""
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise CommandError("IN and OUT may not lie in each other.")


def _said(trouble: Exception) -> str:
    return (trouble.strerror or "OUT cannot be written.") if isinstance(trouble, OSError) else str(trouble)
