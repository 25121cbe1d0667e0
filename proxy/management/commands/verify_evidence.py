"""Does an evidence bundle prove what it says? Needs no database and no key of ours."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from proxy.evidence import looking, signing
from proxy.management.teaching import TeachingCommand

NO_KEY: Final = "--key is the public key itself, 64 hexadecimal digits, as `evidence --public-key` says it."


class Command(TeachingCommand):
    help = (
        "Verify evidence bundles: that nobody changed them since they were signed, with --key by whom, and with "
        "--files that the images in a folder are, byte for byte, those that are meant. Exit code 1 if not."
    )
    examples = (
        "verify_evidence evidence-2.25.1234-1.json --key 5f3a...",
        "verify_evidence *.json --key 5f3a... --files outbox/ANON-ABC",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("bundles", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--key", metavar="HEX", help="the public key of whoever signed")
        parser.add_argument("--files", type=Path, metavar="FOLDER", help="images to compare with the bundles")

    def handle(
        self, *args: Any, bundles: list[Path], key: str | None, files: Path | None, **options: Any
    ) -> None:
        if files is not None and not files.is_dir():
            raise CommandError(f"There is no folder {files}.")
        if key is not None and not re.fullmatch("[0-9a-fA-F]{64}", key.strip()):
            raise CommandError(NO_KEY)
        proven = [self._verified(path, key or "") for path in bundles]
        is_good = all(proven)
        if files is not None and is_good:
            is_good = self._compared([one for one in proven if one], files)
        if not is_good:
            sys.exit(1)

    def _verified(self, path: Path, key: str) -> signing.Verified | None:
        try:
            verified = signing.verify(path.read_bytes(), key)
        except OSError:
            self.stdout.write(f"{path}: cannot be read.")
            return None
        except signing.NotEvidence as why:
            self.stdout.write(f"{path}: NOT proven. {why}")
            return None
        study = verified.statement["study"]
        by = (
            "by the key you trust"
            if verified.is_trusted
            else f"by {verified.key}; say --key to name whom you trust"
        )
        self.stdout.write(f"{path}: study {study['study_uid']}, {study['images']} images, signed {by}.")
        return verified

    def _compared(self, proven: list[signing.Verified], files: Path) -> bool:
        stated = {image["sha256"] for one in proven for image in one.statement["images"]}
        found = [looking.digest_of(path)[0] for path in _images(files)]
        strange = sum(1 for digest in found if digest not in stated)
        missing = len(stated - set(found))
        alike = len(found) - strange
        self.stdout.write(
            f"{len(found)} files: {alike} as stated, {strange} not; {missing} stated are not here."
        )
        return not strange


def _images(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.dcm")) if path.is_file())
