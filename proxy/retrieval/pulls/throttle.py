"""How fast a PACS may be asked: a pace that waits."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


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
