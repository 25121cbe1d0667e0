"""Why something was not told, in our own words: a server's may quote anything."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class NotTold:
    """`after`: it is not to be tried before. A reason is a sentence, never empty."""

    reason: str
    after: timedelta | None = None
