"""One line of the doctor: fine, worth knowing, or wrong; and for what is safe, how to mend it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "FAIL"

Repair = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence an operator can act on. `repair` mends it and says what it did."""

    level: str
    area: str
    sentence: str
    repair: Repair | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level.lower(),
            "area": self.area,
            "sentence": self.sentence,
            "repairable": self.repair is not None,
        }

    def __str__(self) -> str:
        return f"{self.level:4}  {self.area}: {self.sentence}"


Examination = Callable[[], Iterable[Finding]]


def ok(area: str, sentence: str) -> Finding:
    return Finding(OK, area, sentence)


def warn(area: str, sentence: str, repair: Repair | None = None) -> Finding:
    return Finding(WARN, area, sentence, repair)


def fail(area: str, sentence: str, repair: Repair | None = None) -> Finding:
    return Finding(FAIL, area, sentence, repair)


def examine(examinations: Iterable[tuple[str, Examination]]) -> list[Finding]:
    """All findings in order. A part that cannot be looked at is a finding too, and ends no other."""
    found: list[Finding] = []
    for area, examination in examinations:
        try:
            found += list(examination())
        except Exception as trouble:
            found.append(fail(area, f"this could not be examined ({type(trouble).__name__}); see above."))
    return found


def count(number: int, thing: str) -> str:
    """`2 studies`, `1 study`: the thing is given in the singular."""
    many = f"{thing[:-1]}ies" if thing.endswith("y") and thing[-2] not in "aeo" else f"{thing}s"
    return f"{number} {thing if number == 1 else many}"
