"""Back up database and files into one archive; the keys, if asked for, into another under a passphrase."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.record import record
from proxy.management import start
from proxy.management.backups import escrow, making
from proxy.management.backups.databases import DatabaseTrouble
from proxy.management.backups.escrow import EscrowTrouble
from proxy.management.passphrases import passphrase
from proxy.management.teaching import TeachingCommand, console_user
from proxy.storage.keys import KeysMissing

REMINDER = (
    "The keys are not in it. Back them up apart, where this archive never lies: manage.py backup --keys FILE, "
    "or copy {key_dir} yourself. Without them nobody in this backup can be identified again."
)


class Command(TeachingCommand):
    help = "Write database and files into one archive with a digest for each; never the keys."
    examples = (
        "backup",
        "backup /mnt/backup/postern.tar",
        "backup --keys /mnt/safe/postern.keys",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", nargs="?", type=Path, help="Default: a new file in BACKUP_DIR.")
        parser.add_argument(
            "--keys", type=Path, metavar="FILE", help="Write only the keys, under a passphrase."
        )
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="Instead of asking for it.")

    def handle(
        self,
        *args: Any,
        archive: Path | None,
        keys: Path | None,
        passphrase_file: Path | None,
        **options: Any,
    ) -> None:
        start.prepare()
        try:
            if keys:
                self._write_keys(keys, passphrase(passphrase_file, twice=True))
            else:
                self._write_archive(archive)
        except (KeysMissing, DatabaseTrouble, EscrowTrouble) as trouble:
            raise CommandError(str(trouble)) from None
        except OSError as error:
            raise CommandError(f"The backup could not be written: {error.strerror}.") from None

    def _write_keys(self, target: Path, secret: str) -> None:
        with transaction.atomic():
            files = escrow.names(settings.KEY_DIR)
            record(actions.KEYS_ESCROWED, actor=console_user(), detail={"files": files})
            names = escrow.write(settings.KEY_DIR, target, secret)
        self.stdout.write(f"{len(names)} key files lie sealed in {target}. Take it away from this machine.")

    def _write_archive(self, archive: Path | None) -> None:
        now = timezone.now()
        made = making.make(archive or settings.BACKUP_DIR / making.name_for(now), now, console_user())
        self.stdout.write(f"{made.archive}: {len(made.manifest.parts)} files, {made.manifest.size} bytes.")
        self.stdout.write(REMINDER.format(key_dir=settings.KEY_DIR))
        if made.missing:
            raise CommandError(
                f"{made.missing} files that the database names are not on disk: run manage.py doctor."
            )
