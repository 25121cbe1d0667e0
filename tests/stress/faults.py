"""One in ten goes wrong: which, and how, says a pair of dice that a seed throws again in the same way."""

import random
import threading
from collections import Counter, deque
from collections.abc import Callable

from tests.backend.faults import Drops, Fault, Halves, Says, Slow

SHARE = 0.1
KINDS: dict[str, Callable[[random.Random], Fault]] = {
    "busy": lambda dice: Says(429, {"Retry-After": "1"}),
    "ill": lambda dice: Says(503),
    "early": lambda dice: Says(500, early=True),
    "cut": lambda dice: Drops(after=dice.randint(0, 4000)),
    "half": lambda dice: Halves(),
    "slow": lambda dice: Slow(dice.uniform(0.1, 0.5)),
}


class Dice:
    """For many threads. `thrown` counts what went wrong."""

    def __init__(self, seed: int, share: float = SHARE) -> None:
        self._random, self._share = random.Random(seed), share
        self._busy = threading.Lock()
        self.thrown: Counter[str] = Counter()

    def fault(self, *kinds: str) -> str:
        """One of these, or nothing."""
        with self._busy:
            if self._random.random() >= self._share:
                return ""
            kind = self._random.choice(kinds)
            self.thrown[kind] += 1
            return kind

    def web_fault(self) -> Fault | None:
        kind = self.fault(*KINDS)
        return KINDS[kind](self._random) if kind else None


class WebFaults(deque[Fault]):
    """In the place of a server's list of faults: there is one in it whenever the dice say so."""

    def __init__(self, dice: Dice) -> None:
        super().__init__()
        self._dice = dice

    def __bool__(self) -> bool:
        if len(self) == 0 and (fault := self._dice.web_fault()) is not None:
            self.append(fault)
        return len(self) > 0
