"""Hand out what proves how a study was treated."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from proxy.evidence import notary, signing
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.storage.keys import KeysMissing
from proxy.studies.models import Revision


class Command(TeachingCommand):
    help = (
        "Write the signed evidence bundles of a study, one for each released revision: recipe, what was done to which "
        "attribute, gates, and the SHA-256 of every file. Nobody is named in them. Whoever gets them verifies them "
        "with `verify_evidence` and the public key, which this command shows."
    )
    examples = ("evidence 2.25.1234 --to bundles", "evidence --public-key")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", nargs="?", help="the pseudonymous Study Instance UID")
        parser.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="default: this folder")
        parser.add_argument("--public-key", action="store_true", help="show the key to verify with")

    def handle(self, *args: Any, study: str | None, to: Path, public_key: bool, **options: Any) -> None:
        prepare()
        try:
            if public_key:
                self.stdout.write(signing.public_key(notary.seed()))
        except KeysMissing as missing:
            raise CommandError(str(missing)) from None
        if study:
            self._write(study, to)
        elif not public_key:
            raise CommandError("Name a study by its pseudonymous Study Instance UID, or say --public-key.")

    def _write(self, study: str, to: Path) -> None:
        rows = list(Revision.objects.filter(study__uid=study).exclude(evidence="").select_related("study"))
        if not rows:
            raise CommandError(
                "No revision of such a study was released yet, or its evidence is still being made."
            )
        to.mkdir(parents=True, exist_ok=True)
        for row in rows:
            target = to / notary.name_of(row)
            target.write_bytes(_read(row))
            self.stdout.write(f"{target}")


def _read(row: Revision) -> bytes:
    try:
        return notary.read(row)
    except OSError:
        raise CommandError(
            f"The bundle of revision {row.number} is gone; restore it from a backup."
        ) from None
