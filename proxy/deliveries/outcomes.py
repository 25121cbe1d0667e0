"""How an attempt ends. A reason is a sentence an operator can act on: never empty, never a peer's own words.

Agents report one `Result` for each instance and fold them into one outcome. "Later" wins over "refused":
as long as something may still get through, the delivery keeps trying, and only what nobody will take without
a change is left to a person.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

REASON_LENGTH = 255


def _sentence(reason: str) -> str:
    line = " ".join(reason.split())
    if not line:
        raise ValueError("A reason is never empty.")
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"


@dataclass(frozen=True, slots=True)
class Delivered:
    """`receipt` is what the destination calls it, if it gives it a name."""

    receipt: str = ""


@dataclass(frozen=True, slots=True)
class TryLater:
    """`rests`: the destination is in trouble, not this delivery or we. `after` overrules the back-off."""

    reason: str
    after: timedelta | None = None
    rests: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", _sentence(self.reason))


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", _sentence(self.reason))


Outcome = Delivered | TryLater | Refused


class Verdict(StrEnum):
    STORED = "stored"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one instance. Only what is stored needs no reason."""

    ordinal: int
    verdict: Verdict
    reason: str = ""

    def __post_init__(self) -> None:
        if self.verdict is not Verdict.STORED:
            object.__setattr__(self, "reason", _sentence(self.reason))


INTERRUPTED = TryLater(
    "Postern was stopping or lost its claim; it goes on where it stood.", after=timedelta(0), rests=False
)


def fold(expected: Collection[int], results: Iterable[Result], interrupted: bool = False) -> Outcome:
    """One outcome for a parcel. An instance without a result was not tried: it is later, never delivered."""
    last = {result.ordinal: result for result in results}
    verdicts = {ordinal: last[ordinal].verdict if ordinal in last else Verdict.LATER for ordinal in expected}
    later = [ordinal for ordinal, verdict in verdicts.items() if verdict is Verdict.LATER]
    refused = [ordinal for ordinal, verdict in verdicts.items() if verdict is Verdict.REFUSED]
    if later:
        if interrupted:
            return INTERRUPTED
        return TryLater(_count(later, len(expected), "not acknowledged yet", last))
    if refused:
        return Refused(_count(refused, len(expected), "refused", last))
    return Delivered()


def _count(ordinals: list[int], total: int, what: str, last: dict[int, Result]) -> str:
    reasons = Counter(last[ordinal].reason for ordinal in ordinals if ordinal in last)
    most = reasons.most_common(1)[0][0] if reasons else "The association ended before their turn came."
    return f"{len(ordinals)} of {total} images {what}: {most}"
