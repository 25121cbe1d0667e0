"""How fast and at what hours a PACS may be asked: pure look-ups, and a pace that waits."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from datetime import time as clock_time

from proxy.retrieval.pulls.selection import Unusable

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of each day, local time; it may go over midnight."""

    opens: clock_time
    closes: clock_time

    def opens_in(self, now: datetime) -> timedelta:
        """How long to wait; nothing while it is open."""
        if self._is_open(now.time()):
            return timedelta()
        today = now.replace(hour=self.opens.hour, minute=self.opens.minute, second=0, microsecond=0)
        return today - now if today > now else today + timedelta(days=1) - now

    def _is_open(self, at: clock_time) -> bool:
        if self.opens < self.closes:
            return self.opens <= at < self.closes
        return at >= self.opens or at < self.closes


def read_window(text: str) -> Window:
    """Like 20:00-06:00. Raises Unusable."""
    found = _HOURS.fullmatch(text.strip())
    if found is None or found[0][:5] == found[0][6:]:
        raise Unusable("Hours are like 20:00-06:00, from one time of day to another.")
    first, second, third, fourth = map(int, found.groups())
    return Window(clock_time(first, second), clock_time(third, fourth))


def due(rate: float, images: int) -> float:
    """Seconds after the first at which so many images may have come."""
    return images / rate if rate > 0 else 0.0


@dataclass(slots=True)
class Pace:
    """At most so many images in a second, on the long run; 0 is no limit."""

    rate: float = 0.0
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _began: float | None = field(init=False, default=None)
    _images: int = field(init=False, default=0)

    def __call__(self, images: int = 1) -> None:
        if not self.rate:
            return
        began = self._began = self.now() if self._began is None else self._began
        self._images += images
        wait = began + due(self.rate, self._images) - self.now()
        if wait > 0:
            self.sleep(wait)
        elif wait < -1.0:  # nothing came for a while: what was not used is not saved up
            self._began, self._images = self.now(), 0
