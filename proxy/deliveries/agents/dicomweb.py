"""Deliver to a DICOMweb service by STOW-RS (PS3.18 10.5).

Images go in batches, streamed from disk: no image is ever whole in memory, and what a batch brought is acknowledged
before the next one begins. Stored is what the answer names as stored, instance by instance; a success that names
nothing proves nothing. Where a whole batch is refused, halves of it are tried, so that one bad image (or a small
limit for request bodies) stops no other.

A reason is our own sentence for the service's status or Failure Reason: its own comments may hold a name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from proxy.deliveries.addresses import Web
from proxy.deliveries.agents import stow_answer
from proxy.deliveries.agents.web import credentials
from proxy.deliveries.agents.web.bodies import SourceGone, related
from proxy.deliveries.agents.web.line import PATIENCE, SOURCE_GONE, Answer, Line, Patience
from proxy.deliveries.agents.web.meanings import Kind, meaning, retry_after
from proxy.deliveries.agents.web.probe import knock
from proxy.deliveries.outcomes import Outcome, Result, TryLater, Verdict, fold
from proxy.deliveries.parcel import Address, Item, Parcel
from proxy.network.statuses import Meaning, explain

MOST_IMAGES = 64
MOST_BYTES = 64 << 20
SEARCH = "/studies?limit=1"
TAKEN = {200, 202}
ANSWERED = {200, 202, 400, 409}  # may have a data set that says what became of each instance
DUPLICATE = 0x0111
TOO_LARGE = 413
AGENT = "Postern"
GONE = "Its stored file is missing; let doctor compare index and disk."
UNNAMED = "The service answers with success and does not say what it stored: check that its url is that of a STOW-RS."
UNREASONED = "The service did not store it and does not say why."


def deliver(
    parcel: Parcel,
    acknowledge: Callable[[Sequence[int]], None],
    keep_going: Callable[[], bool],
    patience: Patience = PATIENCE,
) -> Outcome:
    if not isinstance(parcel.to, Web):
        raise TypeError("The DICOMweb agent delivers to web services only.")
    with Line(parcel.to.trust, keep_going, AGENT, patience) as line:
        return _Store(line, parcel.to, parcel, acknowledge, keep_going).all()


def probe(to: Address) -> TryLater | None:
    """By a search that finds little. Whoever may store and may not search hears 403, and then a delivery shows it."""
    if not isinstance(to, Web):
        raise TypeError("The DICOMweb agent probes web services only.")
    found = knock(to, SEARCH)
    return None if found.answers or found.status == 403 else TryLater(found.sentence, found.after)


@dataclass(slots=True)
class _Store:
    line: Line
    to: Web
    parcel: Parcel
    acknowledge: Callable[[Sequence[int]], None]
    keep_going: Callable[[], bool]
    results: list[Result] = field(default_factory=list)
    most_bytes: int = MOST_BYTES
    halves_pay: bool = True  # not for who took nothing of a batch, not even singly

    def all(self) -> Outcome:
        there = [item for item in self.parcel.items if self._is_there(item)]
        while there:
            batch = first_batch(there, MOST_IMAGES, self.most_bytes)
            if not self.keep_going():
                return fold(self.parcel.ordinals, self.results, interrupted=True)
            before = len(self.results)
            if broken := self._send(batch):
                return broken
            self.halves_pay = any(one.verdict is not Verdict.REFUSED for one in self.results[before:])
            there = there[len(batch) :]
        return fold(self.parcel.ordinals, self.results)

    def _is_there(self, item: Item) -> bool:
        if item.path.is_file():
            return True
        self.results.append(Result(item.ordinal, Verdict.REFUSED, GONE))
        return False

    def _send(self, batch: Sequence[Item]) -> TryLater | None:
        """What ends the delivery for now, or nothing: then each of the batch has its result."""
        answer = self._ask(batch)
        if isinstance(answer, TryLater):
            return answer
        said = stow_answer.read(answer.body) if answer.status in ANSWERED else stow_answer.Said()
        self._note([_result(item, said) for item in batch if said.names(item.uid)])
        rest = [item for item in batch if not said.names(item.uid)]
        if not rest:
            return None
        if len(rest) < len(batch):
            return self._send(rest)
        if answer.status not in TAKEN:
            return self._send_otherwise(rest, answer)
        return self._send_unnamed(rest, said) if said.nameless else TryLater(UNNAMED)

    def _send_unnamed(self, batch: Sequence[Item], said: stow_answer.Said) -> TryLater | None:
        """Something of it failed, and the service cannot say what: alone, it is that."""
        if len(batch) > 1:
            return self._send_halves(batch)
        self._note([_failed(batch[0], said.nameless[0])])
        return None

    def _send_otherwise(self, batch: Sequence[Item], answer: Answer) -> TryLater | None:
        what = meaning(answer.status)
        if what.kind is not Kind.REFUSED:
            return TryLater(what.sentence, retry_after(answer.retry_after, datetime.now(UTC)))
        if answer.status == TOO_LARGE:
            self.most_bytes = sum(map(_size, batch)) // 2
        if len(batch) > 1 and (self.halves_pay or answer.status == TOO_LARGE):
            return self._send_halves(batch)
        self._note([Result(item.ordinal, Verdict.REFUSED, what.sentence) for item in batch])
        return None

    def _send_halves(self, batch: Sequence[Item]) -> TryLater | None:
        middle = len(batch) // 2
        return self._send(batch[:middle]) or self._send(batch[middle:])

    def _ask(self, batch: Sequence[Item]) -> Answer | TryLater:
        try:
            body = related(item.path for item in batch)
        except SourceGone:
            return SOURCE_GONE
        said = {"Accept": "application/dicom+json"}
        return credentials.ask(self.line, self.to.credentials, "POST", f"{self.to.url}/studies", said, body)

    def _note(self, results: Sequence[Result]) -> None:
        self.results += results
        stored = [result.ordinal for result in results if result.verdict is Verdict.STORED]
        if stored:
            self.acknowledge(stored)


def first_batch(items: Sequence[Item], images: int, size: int) -> Sequence[Item]:
    """Bounded in count and bytes; an image larger than that goes alone."""
    total = 0
    for count, item in enumerate(items):
        total += _size(item)
        if count and (count >= images or total > size):
            return items[:count]
    return items


def _size(item: Item) -> int:
    try:
        return item.path.stat().st_size
    except OSError:
        return 0  # the body will say that it is gone


def _result(item: Item, said: stow_answer.Said) -> Result:
    """What it holds already it was sent by us: UIDs of ours are nobody else's."""
    if item.uid in said.stored or said.failed[item.uid] == DUPLICATE:
        return Result(item.ordinal, Verdict.STORED)
    return _failed(item, said.failed[item.uid])


def _failed(item: Item, reason: int | None) -> Result:
    """The Failure Reasons are the statuses of C-STORE (PS3.18 I.2.2). Whatever it is, it failed."""
    if reason is None:
        return Result(item.ordinal, Verdict.REFUSED, UNREASONED)
    status = explain(reason)
    verdict = Verdict.LATER if status.meaning is Meaning.LATER else Verdict.REFUSED
    sentence = UNREASONED if status.meaning is Meaning.STORED else status.sentence
    return Result(item.ordinal, verdict, sentence)
