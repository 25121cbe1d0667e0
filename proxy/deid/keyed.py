"""Who somebody is from now on, for scripts that have no vault: everything follows from one secret key.

The same key gives the same pseudonyms, UIDs and dates on every machine and in every year, as in the gateway. Nothing
is stored; so nobody can be forgotten, and who holds the key can recompute the pseudonym of a known Patient ID.
"""

import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.deid.context import Subject
from proxy.deid.errors import DeidError
from proxy.deid.facts import Facts
from proxy.deid.identifiers import pseudonym, shift_days, subject_uid_key
from proxy.deid.who import who_is

SIZE: Final = 32
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")


class KeyTrouble(DeidError):
    """The key file is missing, damaged, or open to others."""


class Nameless(DeidError):
    """The object names neither a Patient ID nor a Study Instance UID: nobody can say whose it is."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """`Keyed(key).subject` is what the functions of this library ask for a person.

    `issuer` is meant where an object names no Issuer of Patient ID: one number of two hospitals is two persons.
    """

    key: bytes = field(repr=False)
    issuer: str = ""

    def __post_init__(self) -> None:
        if len(self.key) < SIZE:
            raise KeyTrouble(f"A key has at least {SIZE} bytes.")

    def subject(self, facts: Facts) -> Subject:
        """The person of these facts. Raises Nameless."""
        who = who_is(facts.issuer or self.issuer, facts.patient_id, facts.study_uid)
        if who.per_study and not facts.study_uid:
            raise Nameless("It names neither a patient nor a study.")
        person = (who.issuer, who.patient_id)
        return Subject(pseudonym(self.key, *person), shift_days(self.key, *person), subject_uid_key(self.key))

    def derived(self, purpose: str) -> bytes:
        """Another key of 32 bytes, of which nobody can tell this one."""
        return hmac.digest(self.key, f"derived\x1f{purpose}".encode(), "sha256")


def new_key(path: Path) -> Keyed:
    """Make a key file that only its owner can read; one that stands there is never overwritten."""
    key = secrets.token_bytes(SIZE)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as trouble:
        raise KeyTrouble(f"The key file cannot be made: {trouble.strerror}.") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Keyed(key)


def read_key(path: Path) -> Keyed:
    """The key of such a file. Raises KeyTrouble, also if others than its owner may read it."""
    try:
        open_to_others = path.stat().st_mode & 0o077
        text = path.read_text(encoding="ascii").strip()
    except OSError as trouble:
        raise KeyTrouble(f"The key file cannot be read: {trouble.strerror}.") from None
    except UnicodeDecodeError:
        text = ""
    if os.name == "posix" and open_to_others:
        raise KeyTrouble("The key file is open to others; say chmod 600.")
    if not _HEX.fullmatch(text):
        raise KeyTrouble("The key file holds no key: 64 hexadecimal digits are expected.")
    return Keyed(bytes.fromhex(text))
