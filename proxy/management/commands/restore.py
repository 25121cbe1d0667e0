"""Restore a backup onto an empty machine; the keys first, or with it from their own archive."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from proxy.management.backups import escrow, restoring
from proxy.management.backups.archive import Damaged
from proxy.management.backups.databases import DatabaseTrouble
from proxy.management.backups.escrow import EscrowTrouble
from proxy.management.backups.restoring import CannotRestore
from proxy.management.folders import make_folders
from proxy.management.passphrases import passphrase
from proxy.management.teaching import TeachingCommand, console_user
from proxy.management.turn import only_one
from proxy.storage.keys import KeysMissing


class Command(TeachingCommand):
    help = "Put a backup back onto an empty machine: proved by its digests, under the keys it was made with."
    examples = ("restore /mnt/backup/postern.tar --keys /mnt/safe/postern.keys",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path)
        parser.add_argument(
            "--keys", type=Path, metavar="FILE", help="First put the keys back from this archive."
        )
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="Instead of asking for it.")

    def handle(
        self, *args: Any, archive: Path, keys: Path | None, passphrase_file: Path | None, **options: Any
    ) -> None:
        make_folders()
        try:
            if keys:
                escrow.put_back(keys, settings.KEY_DIR, passphrase(passphrase_file))
            escrow.fingerprints(settings.KEY_DIR)  # before anything else: without keys nothing does
            with only_one():
                call_command("migrate", interactive=False, verbosity=0)
                manifest = restoring.restore(archive, console_user())
        except (CannotRestore, Damaged, DatabaseTrouble, EscrowTrouble, KeysMissing) as trouble:
            raise CommandError(str(trouble)) from None
        except OSError as error:
            raise CommandError(f"The backup could not be read or laid out: {error.strerror}.") from None
        self.stdout.write(
            f"{len(manifest.parts)} files of {manifest.about.made_at} are back. Now run manage.py doctor."
        )
