"""What images on their way may hold in memory, over all associations of a process (promise 11).

An image's pixels go straight into its file. What is held are its header until the end, what comes behind the pixels,
and pixels that are masked. Who would go over the limit hears 0xA700 before the memory is taken, and may come again.
"""

import threading
from collections.abc import Callable


class NoMemory(Exception):
    """Our fault: as much is held as DICOM_MEMORY_LIMIT allows."""

    status = 0xA700


class Budget:
    def __init__(self, limit: Callable[[], int]) -> None:
        """`limit` in bytes, asked each time."""
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        return self._held

    def change(self, by: int) -> None:
        """Raises NoMemory, and changes nothing, if that were too much."""
        with self._lock:
            if by > 0 and self._held + by > self._limit():
                raise NoMemory
            self._held += by


class Share:
    """What one image holds."""

    __slots__ = ("_budget", "_held")

    def __init__(self, budget: Budget) -> None:
        self._budget, self._held = budget, 0

    def hold(self, size: int) -> None:
        """As much, in place of what it held. Raises NoMemory."""
        if size != self._held:
            self._budget.change(size - self._held)
            self._held = size

    def release(self) -> None:
        """Harmless when said twice."""
        self.hold(0)
