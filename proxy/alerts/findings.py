"""What a rule is, and what it finds: plain values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SUBJECT_LENGTH: Final = 100
SENTENCE_LENGTH: Final = 400
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` tells alerts of one rule apart. `weight`: told again when it is at least twice what was told."""

    subject: str
    sentence: str
    weight: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", _one_line(self.subject, SUBJECT_LENGTH))
        object.__setattr__(self, "sentence", _one_line(self.sentence, SENTENCE_LENGTH))
        if not self.sentence or self.weight < 1:
            raise ValueError("A finding has a sentence and a weight.")


Examination = Callable[[datetime], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`patience`: how long something must be found before it is raised. `calm`: how long nothing worse is told.

    `title` is read after the subject: "ARCHIVE: the destination rests". `advice` says what a person should do.
    """

    name: str
    title: str
    advice: str
    look: Examination
    every: timedelta = MINUTE
    patience: timedelta = timedelta(0)
    calm: timedelta = HOUR


def _one_line(text: str, most: int) -> str:
    """Names come from persons; a line break would make another header of an e-mail."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def counted(number: int, thing: str) -> str:
    """`2 studies`, `1 study`: the thing is given in the singular."""
    many = f"{thing[:-1]}ies" if thing.endswith("y") and thing[-2] not in "aeo" else f"{thing}s"
    return f"{number:,} {thing if number == 1 else many}"
