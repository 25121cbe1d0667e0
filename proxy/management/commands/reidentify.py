"""Give clean files their identity back."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from proxy.management import batch, restoring
from proxy.management.batch import REFUSED
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.routing.models import Project
from proxy.vault.reidentify import NotAllowed, Principal


class Command(TeachingCommand):
    help = (
        "Restore clean DICOM files of ours, one or all below a folder, into OUT: the data set byte for byte as it "
        "was. The user named by --as must hold the permission vault.view_identity, and each look leaves a mark in "
        "the audit with the purpose. OUT then names patients: guard it. Exit code 0 only if all were restored."
    )
    examples = ('reidentify clean originals --as ada --purpose "recall of trial 7"',)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="IN", type=Path, help="a clean file, or a folder of them")
        parser.add_argument("target", metavar="OUT", type=Path, help="the folder for restored files")
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
        who = _principal(options["user"])
        try:
            fates = list(
                restoring.restored(batch.found(source), source, target, project, who, options["purpose"])
            )
        except NotAllowed as refused:
            raise CommandError(str(refused)) from None
        for kind, count in Counter(fate.kind for fate in fates).items():
            self.stdout.write(f"{count} {kind}")
        for number, fate in enumerate(fates, start=1):
            if fate.reason:
                self.stdout.write(f"file {number} {fate.kind}: {fate.reason}")
        if any(fate.kind == REFUSED for fate in fates):
            sys.exit(1)


def _principal(name: str) -> Principal:
    user = get_user_model()._default_manager.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError("There is no such user, or they are not active.")
    return Principal(name, user.has_perm)
