"""Study by study, until all are there, or until nothing more can be asked; whoever stops it, the same call goes on."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from proxy.network.peer import Lost
from proxy.retrieval.models import Pull
from proxy.retrieval.pulls import book
from proxy.retrieval.pulls.asking import Stopped
from proxy.retrieval.pulls.book import Result
from proxy.retrieval.pulls.inventory import Target

PAUSES: Final = (1.0, 5.0)  # seconds, before a study is tried again whose association was lost
MOST_LOST: Final = 3  # studies in a row, after which it is the peer and not the study


class Brings(Protocol):
    def bring(self, target: Target, said: int | None) -> Result: ...


def run(
    pull: Pull,
    brings: Brings,
    wait_open: Callable[[], None],
    tell: Callable[[Result], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises Stopped when the peer is away: what is left waits. A study that it cannot give keeps no other waiting."""
    lost_in_a_row = 0
    for item, target in book.waiting(pull):
        wait_open()
        result = _patiently(brings, target, item.said, sleep)
        lost_in_a_row = lost_in_a_row + 1 if isinstance(result, Lost) else 0
        outcome = Result(item.said, 0, why=str(result)) if isinstance(result, Lost) else result
        book.ended(item, outcome)
        tell(outcome)
        if lost_in_a_row == MOST_LOST:
            raise Stopped(outcome.why)


def _patiently(
    brings: Brings, target: Target, said: int | None, sleep: Callable[[float], None]
) -> Result | Lost:
    for pause in PAUSES:
        try:
            return brings.bring(target, said)
        except Lost:
            sleep(pause)
    try:
        return brings.bring(target, said)
    except Lost as lost:
        return lost
