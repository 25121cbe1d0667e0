"""Study by study, until all are there, or until nothing more can be asked; whoever stops it, the same call goes on."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from proxy.network.peer import Lost
from proxy.retrieval.models import Pull
from proxy.retrieval.pulls import book
from proxy.retrieval.pulls.asking import Stopped
from proxy.retrieval.pulls.book import Result

PAUSES: Final = (1.0, 5.0)  # seconds, before a study is tried again whose association was lost


class Brings(Protocol):
    def bring(self, study: str, said: int | None) -> Result: ...


def run(
    pull: Pull,
    brings: Brings,
    wait_open: Callable[[], None],
    tell: Callable[[Result], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises Stopped when the peer is away: what is left waits."""
    for item, study in book.waiting(pull):
        wait_open()
        result = _patiently(lambda study=study, said=item.said: brings.bring(study, said), sleep)  # type: ignore[misc]
        book.ended(item, result)
        tell(result)


def _patiently(bring: Callable[[], Result], sleep: Callable[[float], None]) -> Result:
    for pause in PAUSES:
        try:
            return bring()
        except Lost:
            sleep(pause)
    try:
        return bring()
    except Lost as lost:
        raise Stopped(str(lost)) from None
