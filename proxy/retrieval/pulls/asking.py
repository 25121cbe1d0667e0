"""Ask a PACS which studies it has, for each selection, within bounds."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.network.inquiring import Inquiry
from proxy.network.peer import Peer
from proxy.retrieval.pulls.answers import Listed, judged, keys_of
from proxy.retrieval.pulls.selection import Selection

MOST_ANSWERS: Final = 100_000
TOO_MANY = f"The peer gave more than {MOST_ANSWERS:,} answers: say more exactly what is wanted."


class Stopped(Exception):
    """Nothing more is asked of this peer now; the message is a sentence for an operator."""


@dataclass(slots=True)
class Asked:
    """What came of it, in counts."""

    most: int
    studies: int = 0
    images: int = 0
    uncounted: int = 0  # studies of which the peer does not say how many images they have
    more: bool = False  # there are more than `most`
    odd: Counter[str] = field(default_factory=Counter)
    answers: int = 0

    def count(self, listed: Listed) -> None:
        self.studies += 1
        self.images += listed.images or 0
        self.uncounted += listed.images is None


def studies(peer: Peer, selections: Iterable[Selection], asked: Asked) -> Iterator[Listed]:
    """Each study once, as it is told. Raises Lost, Stopped."""
    seen: set[str] = set()
    with closing(Inquiry(peer)) as inquiry:
        for selection in selections:
            for one in _answered(inquiry, selection, asked):
                if one.study in seen:
                    continue
                if len(seen) == asked.most:
                    asked.more = True
                    return
                seen.add(one.study)
                asked.count(one)
                yield one


def _answered(inquiry: Inquiry, selection: Selection, asked: Asked) -> Iterator[Listed]:
    answers: Any = inquiry.ask(keys_of(selection))
    with closing(answers):
        for answer in answers:
            asked.answers += 1
            if asked.answers > MOST_ANSWERS:
                raise Stopped(TOO_MANY)
            one = judged(selection, answer, by_patient=inquiry.is_by_patient)
            if isinstance(one, Listed):
                yield one
            else:
                asked.odd[one] += 1
