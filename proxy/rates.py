"""How often somebody was here lately. In memory: what a restart forgets is a minute."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

MINUTE: Final = 60.0
MOST_KEYS: Final = 10_000


class Rates:
    """A window that slides, so that nobody has twice as much around the full minute. From any thread."""

    def __init__(
        self, seconds: float = MINUTE, keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._keys, self._clock = seconds, keys, clock
        self._times: dict[str, deque[float]] = {}
        self._lock = Lock()

    def take(self, key: str, most: int) -> float:
        """0: taken. Else nothing is taken, and so many seconds have to pass. `most` 0 is no limit."""
        with self._lock:
            wait = self._wait(key, most)
            if most and not wait:
                self._times.setdefault(key, deque()).append(self._clock())
                self._forget()
            return wait

    def wait(self, key: str, most: int) -> float:
        """As `take`, and takes nothing."""
        with self._lock:
            return self._wait(key, most)

    def clear(self) -> None:
        with self._lock:
            self._times.clear()

    def _wait(self, key: str, most: int) -> float:
        times, now = self._times.get(key), self._clock()
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if not times or not most or len(times) < most:
            return 0.0
        return times[-most] + self._seconds - now

    def _forget(self) -> None:
        """Those who came longest ago, when too many are remembered."""
        if len(self._times) <= self._keys:
            return
        last = sorted(self._times, key=lambda key: self._times[key][-1] if self._times[key] else 0.0)
        for key in last[: len(last) - self._keys * 9 // 10]:
            del self._times[key]
