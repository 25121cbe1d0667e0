"""Peers beside each other: they take turns in one run, medians are compared, and ratios are what lasts.

Machines differ and are never quiet; what disturbs one round disturbs everybody's. The order changes each round,
so that nobody always comes after the same neighbour. `RUNS=n` says how many rounds.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn: so many done in so many seconds, for so many seconds of CPU."""

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU for each."""
        return self.cpu / self.count * 1e3


def runs(default: int = 3) -> int:
    return int(os.environ.get("RUNS") or default)


def chosen(name: str, all_of: Iterable[str]) -> tuple[str, ...]:
    """What `NAME=one,two` in the environment chooses of them; everything, if it says nothing."""
    known = tuple(all_of)
    said = [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]
    if unknown := set(said) - set(known):
        raise SystemExit(f"{name}: {', '.join(sorted(unknown))} is none of {', '.join(known)}.")
    return tuple(word for word in known if not said or word in said)


class Budget:
    """Minutes shared out among sections, `MINUTES=n`: no round begins once its section's share is spent."""

    def __init__(self, sections: int, minutes: float = 7.0) -> None:
        self._left = sections
        self._end = time.monotonic() + 60 * float(os.environ.get("MINUTES") or minutes)

    def share(self) -> float:
        """When the next section ought to end; what one does not need is the others'."""
        now = time.monotonic()
        self._left, sections = self._left - 1, max(self._left, 1)
        return now + max(self._end - now, 0) / sections


def interleaved(
    acts: Mapping[str, Callable[[], T]], rounds: int, until: float = float("inf")
) -> dict[str, list[T]]:
    """What each act gave, by round; every second round goes backwards. One round there is, however late."""
    given: dict[str, list[T]] = {name: [] for name in acts}
    for number in range(rounds):
        if number and time.monotonic() > until:
            break
        names = list(acts) if number % 2 == 0 else list(acts)[::-1]
        for name in names:
            given[name].append(acts[name]())
    return given


def median(samples: list[Sample], of: Callable[[Sample], float]) -> float:
    return statistics.median(of(one) for one in samples)


def ratios(mine: list[Sample], theirs: list[Sample]) -> list[float]:
    """How much faster the first are, round by round."""
    return [one.rate / other.rate for one, other in zip(mine, theirs, strict=True)]


def tell(title: str, table: Mapping[str, list[Sample]]) -> None:
    """A line for each; the first in the table is compared with the others."""
    print(f"  {title}")
    first = next(iter(table.values()))
    for name, samples in table.items():
        rate, cpu = median(samples, lambda one: one.rate), median(samples, lambda one: one.cpu_ms)
        print(
            f"    {name:20} {rate:9.1f}/s   {cpu:7.3f} ms CPU each   {_compared(first, samples)}", flush=True
        )


def _compared(first: list[Sample], samples: list[Sample]) -> str:
    if samples is first:
        return ""
    each = ratios(first, samples)
    return f"ours {statistics.median(each):5.2f}x  ({min(each):.2f} to {max(each):.2f}){_cpu_compared(first, samples)}"


def _cpu_compared(first: list[Sample], samples: list[Sample]) -> str:
    """How much more CPU the others take: of a busy machine the better measure."""
    each = [other.cpu_ms / one.cpu_ms for one, other in zip(first, samples, strict=True) if one.cpu]
    return f", CPU {statistics.median(each):5.2f}x" if each else ""
