"""What was decrypted a moment ago, kept for minutes: bounded in number and age, and dropped when anybody is forgotten.

Nothing of it is written, and what is old goes even if nobody asks any more. Other processes notice a forgetting at the
database: who asks looks there first.
"""

import time
from collections.abc import Callable
from threading import Lock, Timer
from typing import Generic, TypeVar
from weakref import WeakSet

K = TypeVar("K")
V = TypeVar("V")
_every: "WeakSet[Remembered[object, object]]" = WeakSet()


class Remembered(Generic[K, V]):
    """From any thread. The oldest goes first, by age (seconds) or by number."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._lock = Lock()
        self._broom: Timer | None = None
        _every.add(self)  # type: ignore[arg-type]

    def get(self, key: K) -> V | None:
        found = self._kept.get(key)
        if found is None or self._clock() - found[0] > self._seconds:
            return None
        return found[1]

    def put(self, key: K, value: V) -> None:
        now = self._clock()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (now, value)
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
            self._drop_old(now)
            self._come_again()

    def sweep(self) -> None:
        """Whatever is old by now."""
        with self._lock:
            self._broom = None
            self._drop_old(self._clock())
            self._come_again()

    def _drop_old(self, now: float) -> None:
        while self._kept and self._oldest() < now - self._seconds:
            del self._kept[next(iter(self._kept))]

    def _come_again(self) -> None:
        """One timer, as long as there is something to drop."""
        if self._kept and self._broom is None:
            self._broom = Timer(self._seconds + 1, self.sweep)
            self._broom.daemon = True
            self._broom.start()

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _oldest(self) -> float:
        return next(iter(self._kept.values()))[0]


def forget_all() -> None:
    """Of this process."""
    for one in list(_every):
        one.clear()
