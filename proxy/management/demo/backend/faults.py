"""What a server may do wrong, one value for each way. A fault is used up by the next request that is its own.

What goes wrong on the WebSocket is no value: `talking.Talk` cuts it, and says whatever it is told, as often and in
whatever order it is told to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

GOSSIP: Final = b"Example^Ada was here"  # what a peer says may hold a name: it may appear nowhere with us


@dataclass(frozen=True)
class Says:
    """Another answer than the right one, after the whole request was read (or before: `early`)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = GOSSIP
    early: bool = False


@dataclass(frozen=True)
class Drops:
    """The connection is cut after so many bytes of the request's body."""

    after: int


@dataclass(frozen=True)
class Slow:
    """The right answer, so many seconds late."""

    seconds: float


@dataclass(frozen=True)
class Halves:
    """The request is done, but of its answer only the first half arrives."""


@dataclass(frozen=True)
class Trickles:
    """An answer one byte at a time, with a pause after each."""

    pause: float = 0.1


@dataclass(frozen=True)
class Deaf:
    """Takes so many bytes of the body, and then nothing more for some seconds."""

    after: int
    seconds: float


Fault = Says | Drops | Slow | Halves | Trickles | Deaf

WORDS: Final[Mapping[str, tuple[int, Callable[..., Fault]]]] = {
    "status": (1, lambda status: Says(int(status))),
    "retry-after": (2, lambda status, seconds: Says(int(status), {"Retry-After": str(int(seconds))})),
    "nonsense": (0, lambda: Says(200, body=b'{"half": ')),
    "drop": (1, lambda size: Drops(int(size))),
    "slow": (1, lambda seconds: Slow(float(seconds))),
    "half": (0, Halves),
    "trickle": (1, lambda pause: Trickles(float(pause))),
    "deaf": (2, lambda size, seconds: Deaf(int(size), float(seconds))),
}
"""As a developer types them: a word, and how many numbers follow it."""


def typed(words: Sequence[str]) -> Fault | None:
    """`status 503`, `retry-after 429 5`, `drop 1000`, `slow 3`, `half` ...; None if it is none of these."""
    name, *numbers = words or [""]
    count, make = WORDS.get(name, (-1, Halves))
    try:
        return make(*numbers) if len(numbers) == count else None
    except ValueError:
        return None
