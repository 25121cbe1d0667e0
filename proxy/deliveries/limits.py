"""How much of a delivery may go now, where a destination takes only so many images or megabytes a minute.

A delivery goes in portions of a quarter of a minute. What a portion uses up is noted at the destination before it is
sent, for all workers of all processes; until that time has passed, nothing else goes there. So no worker waits, a
restart forgets nothing, and over a minute the limits hold. What goes as a whole, such as a ZIP, goes at once, and
what comes after it waits for as long as it used up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

MINUTE = timedelta(minutes=1)
PORTION = timedelta(seconds=15)
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many a minute; 0 is no limit."""

    images: int = 0
    megabytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.images or self.megabytes)

    def __str__(self) -> str:
        said = [f"{self.images} images"] * bool(self.images) + [f"{self.megabytes} MB"] * bool(self.megabytes)
        return " and ".join(said)

    def cost(self, images: int, size: int) -> timedelta:
        """For how long so many images of this size together, in bytes, use the limits up."""
        of_images = MINUTE * images / self.images if self.images else timedelta(0)
        of_bytes = MINUTE * size / (self.megabytes * MB) if self.megabytes else timedelta(0)
        return max(of_images, of_bytes)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Portion:
    images: int
    cost: timedelta


def portion(sizes: Iterable[int], limits: Limits, whole: bool = False) -> Portion:
    """As many of the first as fit, but one at least; all of them, if they go as a whole."""
    images, total = 0, 0
    for size in sizes:
        if images and not whole and limits.cost(images + 1, total + size) > PORTION:
            break
        images, total = images + 1, total + size
    return Portion(images, limits.cost(images, total))
