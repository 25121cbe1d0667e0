"""What Stripe tells us, once its signature holds. What is not signed is not even read.

Stripe signs the body as it is sent, with the time, under the secret of our endpoint; its own library says whether that
holds. Of what follows only a few words are taken, each as the type that it must have.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

TOLERANCE: Final = timedelta(minutes=5)
LARGEST: Final = 256 << 10  # bytes


@dataclass(frozen=True, slots=True)
class Said:
    """One event. `about` is the object that it is about, as it was then."""

    id: str
    kind: str
    at: datetime
    about: Mapping[str, Any]

    def word(self, *path: str) -> str:
        """The text that stands there; empty if none does, or none that every database takes."""
        found = self._at(path)
        return found if isinstance(found, str) and "\0" not in found else ""

    def id_of(self, name: str) -> str:
        """Of something that Stripe names by its id, or shows as a whole where it was asked to."""
        return self.word(name) or self.word(name, "id")

    def items(self) -> list[Mapping[str, Any]]:
        """What is subscribed to."""
        found = self._at(("items", "data"))
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    def _at(self, path: tuple[str, ...]) -> object:
        found: object = self.about
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


@dataclass(frozen=True, slots=True)
class NotBelieved:
    """Not signed by Stripe for us, or too long ago, or nothing that Stripe would say."""

    reason: str


def read(body: bytes, signature: str, secret: str) -> Said | NotBelieved:
    from stripe import SignatureVerificationError, WebhookSignature  # noqa: PLC0415 - most processes need none of it

    if not secret:
        return NotBelieved(
            "No STRIPE_WEBHOOK_SECRET is set, so nothing that claims to be Stripe is believed."
        )
    try:
        WebhookSignature.verify_header(body, signature, secret, int(TOLERANCE.total_seconds()))
    except (SignatureVerificationError, ValueError, TypeError):  # of bytes that are no text, too
        return NotBelieved("The signature does not hold, or is too old.")
    return _read(body)


def _read(body: bytes) -> Said | NotBelieved:
    try:
        said = json.loads(body)
        about = said["data"]["object"]
        at = datetime.fromtimestamp(int(said["created"]), UTC)
        words = str(said["id"]), str(said["type"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return NotBelieved("This is no event.")
    if (
        not isinstance(about, Mapping)
        or not all(words)
        or max(map(len, words)) > 64
        or "\0" in "".join(words)
    ):
        return NotBelieved("This is no event.")
    return Said(*words, at, about)
