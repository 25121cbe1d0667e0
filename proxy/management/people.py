"""The person at the command line: who they are for the audit, and what they know."""

import getpass
import os
import pwd
from pathlib import Path

from django.core.management.base import CommandError


def actor() -> str:
    """Who runs this command, as the audit names them."""
    try:
        return f"command of {pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"command of user {os.getuid()}"


def passphrase(file: Path | None, *, twice: bool = False) -> str:
    """From a file, or asked for without an echo."""
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    given = getpass.getpass("Passphrase of the keys' archive: ")
    if twice and getpass.getpass("Again: ") != given:
        raise CommandError("The two passphrases differ.")
    return given
