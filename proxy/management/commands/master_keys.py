"""A new master key in front of the old ones, and the old ones gone."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.storage.keys import KeysMissing
from proxy.vault.rotate import drop_old_master_keys, rotate_master_keys

EVERY = 10_000  # keys, between two lines of progress


class Command(TeachingCommand):
    help = (
        "`rotate` puts a new master key in front of the others in KEY_DIR and wraps every key of the vault anew; no "
        "pseudonym, UID or seal changes, and everybody works on meanwhile. Then keep the keys apart again "
        "(backup --keys) and bring master.keys to every machine. `drop` removes the old ones once nothing needs them. "
        "Both leave a mark. A backup opens under the keys of its time alone: keep these as long as the backup."
    )
    examples = (
        'master_keys rotate --purpose "once a year"',
        'master_keys drop --purpose "every machine has the new one"',
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
        for name, what in (("rotate", "a new one comes"), ("drop", "the old ones go")):
            one = steps.add_parser(name, help=what)
            one.add_argument("--purpose", required=True, help="why; it stands in the audit for good")

    def handle(self, *args: Any, step: str, purpose: str, **options: Any) -> None:
        prepare()
        try:
            self.stdout.write(self._rotated(purpose) if step == "rotate" else self._dropped(purpose))
        except KeysMissing as trouble:
            raise CommandError(str(trouble)) from None
        except OSError as trouble:
            raise CommandError(f"KEY_DIR cannot be written: {trouble.strerror}.") from None

    def _rotated(self, purpose: str) -> str:
        wrapped = rotate_master_keys(console_user(), purpose, self._progress)
        return f"{wrapped} keys lie under a new master key. Now: backup --keys; later: master_keys drop."

    def _dropped(self, purpose: str) -> str:
        gone = drop_old_master_keys(console_user(), purpose)
        return (
            f"{gone} old master keys are gone. Now: backup --keys."
            if gone
            else "There was no old master key."
        )

    def _progress(self, done: int) -> None:
        if done % EVERY == 0:
            self.stdout.write(f"{done} keys so far ...")
