"""A passphrase from a file, or asked for without an echo. Never from the command line: others can read that."""

import getpass
from pathlib import Path

from django.core.management.base import CommandError


def passphrase(file: Path | None, *, twice: bool = False) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    given = getpass.getpass("Passphrase of the keys' archive: ")
    if twice and getpass.getpass("Again: ") != given:
        raise CommandError("The two passphrases differ.")
    return given
