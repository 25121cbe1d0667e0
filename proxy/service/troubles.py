"""What ends a whole request, as a sentence for its sender. None of what was sent is quoted."""

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Trouble(Exception):
    """`code` is for programs. `after`: seconds until it is worth trying again; None where it is not."""

    code: str
    reason: str
    after: float | None = None

    def __str__(self) -> str:
        return self.reason


class TooMuch(Trouble):
    """More than a request may bring: 413."""


class Malformed(Trouble):
    """The request cannot be read, or ended before it was whole: 400."""


class WrongKind(Trouble):
    """Another kind of body is wanted: 415."""


class TooSlow(Trouble):
    """The sender took longer than a body of its size may take: 408."""


class Busy(Trouble):
    """Our room is taken: 503."""
