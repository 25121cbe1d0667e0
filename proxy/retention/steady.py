"""What is kept long enough, only time can tell: a clock that jumps ahead is not believed at once.

A minute with a wrong clock would let go at once what was to stay for years. So where the clock has gone on by more
than time has, nothing goes for some hours, in which somebody, or the time service, puts it right.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from proxy.retention import keeper
from proxy.retention.images import Going
from proxy.retention.keeper import Round

log = logging.getLogger(__name__)

JUMP: Final = 3600.0  # seconds
CALM: Final = 6 * 3600.0


def ticks() -> float:
    """Seconds that have passed, also while the machine was asleep; no time service changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Steady:
    """Of one process: what the clock said when, and until which tick it is not believed."""

    _clock: datetime | None = None
    _tick: float = 0.0
    _calm_until: float = 0.0

    def look(self, now: datetime, going: Going = lambda: True) -> Round | None:
        """One round of retention; None while the clock is not believed."""
        return keeper.look(now, going) if self.is_believed(now, ticks()) else None

    def is_believed(self, now: datetime, tick: float) -> bool:
        ahead = (now - self._clock).total_seconds() - (tick - self._tick) if self._clock else 0.0
        if ahead > JUMP:
            self._calm_until = tick + CALM
            log.warning("the clock has jumped ahead: nothing goes by retention for six hours")
        self._clock, self._tick = now, tick
        return tick >= self._calm_until
