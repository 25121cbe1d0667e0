"""Images whose turn it is to be carried, each with the one that probably comes next.

The sub-operations of an association follow one another (PS3.7 9.1.3), and a peer takes its time for each answer. That
is when the next file is read, or the next original restored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.network.giving import Offer, Restored


class Early:
    """An image that may be restored before its turn; what goes wrong then is told when its turn comes."""

    __slots__ = ("_made", "_restore", "_trouble")

    def __init__(self, restore: Callable[[], Restored]) -> None:
        self._restore = restore
        self._made: Restored | None = None
        self._trouble: Exception | None = None

    def begin(self) -> None:
        try:
            self._made = self._restore()
        except Exception as trouble:
            self._trouble = trouble

    def __call__(self) -> Restored:
        if self._trouble is not None:
            raise self._trouble
        return self._made or self._restore()


@dataclass(frozen=True, slots=True)
class Turn:
    offer: Offer
    restore: Early | None
    next_file: Path | None = None
    next_restore: Early | None = None


def turns(offers: Iterator[Offer]) -> Iterator[Turn]:
    before: tuple[Offer, Early | None] | None = None
    for offer in offers:
        restore = Early(offer.restore) if offer.restore is not None else None
        if before is not None:
            yield Turn(*before, offer.path if restore is None else None, restore)
        before = offer, restore
    if before is not None:
        yield Turn(*before)
