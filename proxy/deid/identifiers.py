"""Keyed, deterministic identifiers: the same person gets the same pseudonym, dates and UIDs on every machine.

Every function mixes a purpose into the HMAC, so that no output of one can be used to guess another's.
"""

import base64
import hmac
from datetime import date, timedelta
from typing import Final

SEPARATOR: Final = "\x1f"
MOST_DAYS_BACK: Final = (
    3652  # ten years: enough to hide a season and an age group, few enough for a plausible date
)


def normalise_id(value: str) -> str:
    """Trim what DICOM pads with; nothing else, so that no two persons become one. Version 1."""
    return value.strip(" \0\t\r\n")


def _digest(key: bytes, purpose: str, *parts: str) -> bytes:
    message = SEPARATOR.join((purpose, *parts)).encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, "sha256")


def _person(issuer: str, patient_id: str, generation: int) -> tuple[str, ...]:
    who = (normalise_id(issuer), normalise_id(patient_id))
    return who if generation == 0 else (*who, str(generation))


def pseudonym(key: bytes, issuer: str, patient_id: str, generation: int = 0) -> str:
    """`ANON-` and 16 base32 characters (80 bits)."""
    digest = _digest(key, "person", *_person(issuer, patient_id, generation))
    return "ANON-" + base64.b32encode(digest[:10]).decode("ascii")


def shift_days(key: bytes, issuer: str, patient_id: str, generation: int = 0) -> int:
    """How many whole days into the past this person's dates move: at least one."""
    digest = _digest(key, "dates", *_person(issuer, patient_id, generation))
    return 1 + int.from_bytes(digest[:8], "big") % MOST_DAYS_BACK


def subject_uid_key(project_key: bytes, generation: int = 0) -> bytes:
    return _digest(project_key, "uids", str(generation))


def map_uid(uid_key: bytes, uid: str) -> str:
    """`2.25.` and the decimal of a UUIDv8 (RFC 9562) that is filled from the HMAC."""
    number = int.from_bytes(hmac.digest(uid_key, uid.encode("ascii", "replace"), "sha256")[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return f"2.25.{number}"


def shift_date(value: str, days: int) -> str | None:
    """A DA value moved into the past; None if it is not a whole, existing date."""
    if len(value) != 8 or not value.isascii() or not value.isdigit():
        return None
    try:
        moved = date(int(value[:4]), int(value[4:6]), int(value[6:])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04}{moved.month:02}{moved.day:02}"
