"""Have a PACS move a study to another node. Nothing of it passes here: what the PACS says is all we know."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from proxy.network.fetching import Counts, Moving
from proxy.network.peer import Peer
from proxy.retrieval.pulls.book import Result
from proxy.retrieval.pulls.inventory import Target, study_keys
from proxy.retrieval.pulls.throttle import Pace

FEWER = "The PACS says that it has {said} images and that it moved {moved}."


@dataclass(frozen=True, slots=True)
class Dispatching:
    peer: Peer
    to: str  # AE title, as the PACS knows it
    pace: Pace = field(default_factory=Pace)
    tell: Callable[[], None] = lambda: None

    def bring(self, target: Target, said: int | None) -> Result:
        """Raises Lost, to be tried again."""
        with closing(Moving(self.peer, self.to)) as moving:
            ended = moving.fetch(study_keys(target), self._moved)
        moved = ended.counts.given
        self.pace(moved)
        why = ended.why
        if not why and moved < (1 if said is None else said):
            why = FEWER.format(said="some" if said is None else said, moved=moved)
        return Result(said, moved, why=why)

    def _moved(self, counts: Counts) -> None:
        self.tell()
