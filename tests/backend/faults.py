"""What a server may do wrong, one value for each way. A fault is used up by the next request that is its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GOSSIP = b"Example^Ada was here"  # what a peer says may hold a name: it may appear nowhere with us


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
