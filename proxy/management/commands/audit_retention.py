"""Let audit entries go that are old enough, after their export."""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from proxy.audit.leaving import Forbidden, let_go
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.storage.files import StorageFull
from proxy.storage.keys import KeysMissing


class Command(TeachingCommand):
    help = (
        "Export audit entries older than RETENTION_AUDIT days into a file, let the chain say so, and remove them. The "
        "rest stays verifiable, and with the file all of it. On PostgreSQL the owner of the tables runs it."
    )
    examples = ("audit_retention", "audit_retention --days 3650 --to /mnt/archive/audit")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, help="instead of RETENTION_AUDIT")
        parser.add_argument("--to", type=Path, metavar="FOLDER", help="instead of AUDIT_EXPORT_DIR")

    def handle(self, *args: Any, days: int | None, to: Path | None, **options: Any) -> None:
        days = settings.RETENTION_AUDIT if days is None else days
        if days < 1:
            raise CommandError("Entries are kept for good: RETENTION_AUDIT is 0. Say --days to let some go.")
        prepare()
        try:
            left = let_go(
                to or settings.AUDIT_EXPORT_DIR, timezone.now() - timedelta(days=days), console_user()
            )
        except (Forbidden, KeysMissing) as trouble:
            raise CommandError(str(trouble)) from None
        except (OSError, StorageFull):
            raise CommandError("The export could not be written: check the folder and its disk.") from None
        self.stdout.write(f"{left.gone} entries went." if left.gone else "No entry is old enough.")
        if left.file is not None:
            self.stdout.write(f"They lie in {left.file}: keep it, it proves them (verify_audit --exported).")
