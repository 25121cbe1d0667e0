"""What an HTTP status means for a delivery (RFC 9110 15), in our own words: a peer's words may hold a name.

`LATER` passes by itself. `PERSON` is about how the two sides are set up, so nothing gets through until somebody
changes something: the delivery waits and the destination rests by the breaker's rules, and once it is mended
everything goes on by itself; a refusal would have to be retried study by study. `REFUSED` is about what was sent.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

from proxy.deliveries.outcomes import Refused, TryLater

LONGEST = timedelta(days=1)


class Kind(Enum):
    LATER = "later"
    PERSON = "person"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Meaning:
    kind: Kind
    sentence: str

    def outcome(self, after: timedelta | None = None) -> TryLater | Refused:
        return Refused(self.sentence) if self.kind is Kind.REFUSED else TryLater(self.sentence, after)


L, P, R = Kind.LATER, Kind.PERSON, Kind.REFUSED
TABLE = {
    400: (R, "finds the request malformed (400); let its administrator look why."),
    401: (P, "does not accept our credentials (401); check or renew the secret."),
    402: (P, "wants a payment first (402)."),
    403: (P, "does not let us store (403); ask its administrator for the right."),
    404: (P, "knows nothing at this address (404); check its url."),
    405: (P, "takes no uploads at this address (405); check its url."),
    406: (P, "does not answer in a form that we read (406)."),
    407: (P, "is behind an HTTP proxy that wants us to log in (407)."),
    408: (L, "waited too long for us (408)."),
    409: (R, "says that this conflicts with what it holds (409)."),
    410: (P, "says that this address is gone (410); check its url."),
    411: (P, "misses the length of what we send (411); something between us takes it away."),
    413: (R, "says that this is too large (413); raise the limit for request bodies there and retry."),
    415: (R, "does not take this type of content (415); allow it there or exclude it here."),
    421: (L, "answered in the place of another server (421)."),
    422: (R, "cannot process the content (422)."),
    423: (L, "has locked this for now (423)."),
    425: (L, "wants this sent again (425)."),
    426: (P, "wants another version of HTTP (426)."),
    429: (L, "asks us to slow down (429)."),
    431: (P, "finds our headers too large (431); check the length of the secret."),
    500: (L, "failed by a fault of its own (500)."),
    501: (P, "does not offer uploads (501); check its url."),
    502: (L, "is not reached by its own gateway (502)."),
    503: (L, "is not available for now (503)."),
    504: (L, "did not answer its own gateway in time (504)."),
    505: (P, "wants another version of HTTP (505)."),
    507: (L, "has no room left (507)."),
    511: (P, "is behind a network that wants a login (511)."),
}
OTHERS = {
    1: (L, "broke off while it answered"),
    2: (L, "answered with a success that this request has not"),
    3: (P, "redirects to another address, and we follow none; put the right one into its url"),
    4: (R, "refuses this"),
    5: (L, "failed"),
}


def meaning(status: int) -> Meaning:
    """Of any status; an agent looks at those that are a success for it first."""
    if status in TABLE:
        kind, said = TABLE[status]
        return Meaning(kind, f"The destination {said}")
    kind, said = OTHERS.get(status // 100, (L, "answered something that is no HTTP"))
    return Meaning(kind, f"The destination {said} ({status}).")


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Seconds or an HTTP-date (RFC 9110 10.2.3); None if there is none that we understand. At most a day."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST)
    return _until(text, now)


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(when - now, timedelta(0)), LONGEST)
