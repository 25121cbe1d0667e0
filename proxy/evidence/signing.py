"""Sign a statement with Ed25519 (RFC 8032), and verify one with nothing but the document and the public key.

A document is JSON: {"statement": {...}, "signature": {"algorithm", "key", "value"}}. What is signed is the statement
in one spelling: keys sorted, no white space, ASCII only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM: Final = "Ed25519"
FORMAT: Final = "postern-evidence/1"
KEY_BYTES: Final = 32
MOST: Final = 1 << 28  # bytes of a document; a million images need about that much

Statement = Mapping[str, Any]


class NotEvidence(Exception):
    """The document's fault: it proves nothing. The words say why."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement as it was signed. `is_trusted`: by the key that was asked for, not only by the one it brings."""

    statement: Statement
    key: str
    is_trusted: bool


def signed(statement: Statement, seed: bytes) -> bytes:
    """The document. `seed` are the 32 bytes of the private key."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    signature = {
        "algorithm": ALGORITHM,
        "key": private.public_key().public_bytes_raw().hex(),
        "value": private.sign(_spelled(statement)).hex(),
    }
    return json.dumps({"statement": statement, "signature": signature}, indent=1).encode("ascii")


def public_key(seed: bytes) -> str:
    """64 hex digits, to be given to whoever is to verify."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def verify(document: bytes, trusted: str = "") -> Verified:
    """Raises NotEvidence. Without `trusted` it only proves that nobody changed it since somebody signed it."""
    statement, signature = _taken_apart(document)
    key, value = _from_hex(signature, "key", KEY_BYTES), _from_hex(signature, "value", 64)
    if trusted and key.hex() != trusted.strip().lower():
        raise NotEvidence("It was signed with another key than the one that is trusted.")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(value, _spelled(statement))
    except (InvalidSignature, ValueError):
        raise NotEvidence("The signature does not fit: it was changed after it was signed.") from None
    return Verified(statement, key.hex(), bool(trusted))


def _spelled(statement: Statement) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _taken_apart(document: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(document) > MOST:
        raise NotEvidence("It is too large to be evidence.")
    try:
        read = json.loads(document, object_pairs_hook=_without_doubles)
        statement, signature = read["statement"], read["signature"]
        is_ours = statement["format"] == FORMAT and signature["algorithm"] == ALGORITHM
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotEvidence("It is no evidence bundle.") from None
    if not is_ours:
        raise NotEvidence("It is of a format that this version does not know.")
    return statement, signature


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that stands twice one reader sees the first and another one the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _from_hex(signature: Mapping[str, Any], name: str, size: int) -> bytes:
    try:
        value = bytes.fromhex(signature[name])
    except (KeyError, TypeError, ValueError):
        value = b""
    if len(value) != size:
        raise NotEvidence(f"Its signature has no {name}.")
    return value
