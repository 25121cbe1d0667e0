"""How an entry is bound to the one before: plain functions of values and a key.

The MAC covers a versioned, canonical text. A new version gets a new number and leaves the old function here,
because entries live for decades.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Facts:
    """What an entry says, and after which MAC it stands."""

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    purpose: str
    detail: Mapping[str, Any]
    previous: str
    version: int = VERSION


def canonical(facts: Facts) -> bytes:
    at = facts.at.astimezone(UTC).isoformat(timespec="microseconds")
    words = [facts.version, facts.sequence, at, facts.actor, facts.action, facts.subject, facts.purpose]
    text = json.dumps([*words, facts.detail, facts.previous], sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def entry_mac(key: bytes, facts: Facts) -> str:
    return hmac.new(key, b"entry\0" + canonical(facts), "sha256").hexdigest()


def head_mac(key: bytes, count: int, head: str) -> str:
    return hmac.new(key, f"head\0{count}\0{head}".encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def anchor_mac(key: bytes, count: int, head: str, at: str) -> str:
    return hmac.new(
        key, f"anchor\0{count}\0{head}\0{at}".encode("utf-8", "surrogatepass"), "sha256"
    ).hexdigest()


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
