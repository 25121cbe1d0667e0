"""The sender: C-ECHO and C-STORE as a user, one association for a batch, an outcome for each instance."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from pynetdicom.presentation import build_context

from proxy.network.contexts import PLAIN_SYNTAXES, VERIFICATION, proposals, rounds
from proxy.network.giving import Restored
from proxy.network.line import Line
from proxy.network.part10 import NotPart10, Unconvertible, reencoded, reencoded_data
from proxy.network.peer import Lost, Peer, Rejected
from proxy.network.quirks import ONE_IMAGE
from proxy.network.statuses import Meaning, explain

logger = logging.getLogger(__name__)
__all__ = ["EchoResult", "Outgoing", "Peer", "SendResult", "SendSummary", "Unmade", "echo", "probe", "send"]

NO_REASON = (1, 1, 1)
STOPPED = "Sending was stopped on our side: the rest follows later."
Verdict = Literal["stored", "later", "refused"]
NOT_ACCEPTED = (
    "The peer accepts no presentation context for this SOP Class: allow it there or exclude it here."
)


class Unmade(Exception):
    """What was to be sent cannot be made; the message is a sentence. `later`: it may be, another time."""

    def __init__(self, reason: str, *, later: bool = False) -> None:
        super().__init__(reason)
        self.later = later


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A Part 10 file to send; the UIDs are those of its data set, the ordinal is the asker's.

    Instead of a file, `source` makes a data set in memory, when its turn has come and the peer is there to take it.
    `restore` makes one with UIDs of its own; it and its pieces raise Unmade, and any line may ask for it.
    """

    ordinal: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    path: Path = Path()
    source: Callable[[], bytes] | None = None
    restore: Callable[[], Restored] | None = None

    @property
    def pair(self) -> tuple[str, str]:
        return self.sop_class_uid, self.transfer_syntax


@dataclass(frozen=True, slots=True)
class SendResult:
    ordinal: int
    status: int | None
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class SendSummary:
    stored: int
    later: int
    refused: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EchoResult:
    ok: bool
    reason: str
    took_ms: float


def echo(peer: Peer) -> EchoResult:
    began = time.monotonic()
    try:
        line = Line(peer, [build_context(VERIFICATION, list(PLAIN_SYNTAXES))])
    except Lost as lost:
        return EchoResult(False, str(lost), _since(began))
    try:
        status = line.echo()
    except Lost as lost:
        return EchoResult(False, str(lost), _since(began))
    finally:
        line.close()
    return EchoResult(status == 0, "" if status == 0 else explain(status).sentence, _since(began))


def probe(peer: Peer) -> str:
    """Why nothing could be stored there now, or nothing. By C-ECHO; but whoever lets us in without offering it, answers
    it with any status, or hangs up at it (Orthanc, where we may store and not echo), is there. Who rejects us for no
    reason may want to be asked for storage."""
    try:
        line = Line(peer, [build_context(VERIFICATION, list(PLAIN_SYNTAXES))])
    except Rejected as rejected:
        return "" if rejected.numbers == NO_REASON else str(rejected)
    except Lost as lost:
        return str(lost)
    began = time.monotonic()
    try:
        if line.accepted:
            line.echo()
    except Lost as lost:
        patience = min(peer.dimse_timeout, peer.network_timeout) * 1000
        return str(lost) if _since(began) > patience / 2 else ""  # it was silent
    finally:
        line.close()
    return ""


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def send(
    peer: Peer,
    items: Sequence[Outgoing],
    on_result: Callable[[SendResult], None],
    keep_going: Callable[[], bool],
    associations: int = 1,
) -> SendSummary:
    """Send a batch; every item gets exactly one result, told on this thread. What was not tried is `later`, with
    the reason. With several associations, one that is refused or lost costs no more than the image it was at.
    """
    batch = _Batch(on_result)
    left: Sequence[Outgoing] = items
    while left:
        left = _send_all(peer, left, keep_going, batch, associations)
    return batch.summary()


def _send_all(
    peer: Peer,
    items: Sequence[Outgoing],
    keep_going: Callable[[], bool],
    batch: "_Batch",
    associations: int,
) -> list[Outgoing]:
    """Those that turned out, when they were made, to need contexts that nobody had proposed."""
    others: list[Outgoing] = []
    for pairs in rounds(item.pair for item in items):
        chosen = [item for item in items if item.pair in pairs]
        if batch.stopped:
            batch.leave(chosen)
        else:
            these = _Round(peer, pairs, deque(chosen), keep_going, others)
            _send_round(these, batch, associations)
    return others


@dataclass(frozen=True, slots=True)
class _Round:
    """Images whose presentation contexts fit into one association. Several lines may take from what waits."""

    peer: Peer
    pairs: Sequence[tuple[str, str]]
    waiting: deque[Outgoing]
    keep_going: Callable[[], bool]
    others: list[Outgoing] = field(default_factory=list)
    opening: threading.Lock = field(default_factory=threading.Lock)

    def over_a_line(self) -> Iterator[SendResult]:
        """Send until nothing waits or we are told to stop. Raises Lost, after the image it was at was told of."""
        most = 1 if ONE_IMAGE in self.peer.quirks else len(self.waiting)
        while self.waiting and self.keep_going():
            yield from self._over_one_association(most)

    def _over_one_association(self, most: int) -> Iterator[SendResult]:
        with self.opening:  # a peer that counts who knocks at once would turn all of them away
            line = Line(self.peer, proposals(self.pairs))
        try:
            item = self._next()
            while item is not None:
                yield from self._told(line, item)
                most -= 1
                item = self._next() if most and self._may_go_on(line) else None
        finally:
            line.close(early=bool(most and self.waiting))

    def _told(self, line: Line, item: Outgoing) -> Iterator[SendResult]:
        """An image whose answer was lost may be stored there: it waits for the next attempt, which knows that."""
        try:
            yield _send_one(line, item, self._following(), self.pairs)
        except _Otherwise as other:
            self.others.append(replace(item, sop_class_uid=other.pair[0], transfer_syntax=other.pair[1]))
        except Lost as lost:
            yield SendResult(item.ordinal, None, "later", str(lost))
            raise

    def _may_go_on(self, line: Line) -> bool:
        """Not over a line on which half of an image lies: it is aborted, so that nobody takes that for a whole."""
        return not line.carrier.midway and self.keep_going()

    def _following(self) -> Path | None:
        """Probably the next one's file; another line may be faster."""
        try:
            following = self.waiting[0]
        except IndexError:
            return None
        return following.path if following.source is None and following.restore is None else None

    def _next(self) -> Outgoing | None:
        try:
            return self.waiting.popleft()
        except IndexError:  # another line was faster
            return None


class _Otherwise(Exception):
    """This image is of another class or transfer syntax than its file was, which this line has not proposed."""

    def __init__(self, pair: tuple[str, str]) -> None:
        super().__init__()
        self.pair = pair


def _send_round(these: _Round, batch: "_Batch", associations: int) -> None:
    lines = min(associations, len(these.waiting))
    lost = _over_one(these, batch) if lines == 1 else _over_many(these, batch, lines)
    if lost or these.waiting:
        batch.stopped = lost or STOPPED
    batch.leave(these.waiting)


def _over_one(these: _Round, batch: "_Batch") -> str:
    """Why the line was lost, or nothing."""
    try:
        for result in these.over_a_line():
            batch.report(result)
    except Lost as lost:
        return str(lost)
    return ""


def _over_many(these: _Round, batch: "_Batch", lines: int) -> str:
    """Why the lines were lost, if all of them were."""
    told: SimpleQueue[SendResult | _Ended] = SimpleQueue()
    threads = [
        threading.Thread(target=_run, args=(these, told), name=f"line-{number}", daemon=True)
        for number in range(lines)
    ]
    for thread in threads:
        thread.start()
    try:
        ended = list(_heard(told, batch, lines))
    except BaseException:
        these.waiting.clear()  # nobody would be told of them
        raise
    finally:
        for thread in threads:
            thread.join()
    for one in ended:
        if one.fault is not None:
            raise one.fault
    return ended[-1].lost if all(one.lost for one in ended) else ""


def _heard(told: "SimpleQueue[SendResult | _Ended]", batch: "_Batch", lines: int) -> "Iterator[_Ended]":
    """Report what the lines tell, until each has ended."""
    left = lines
    while left:
        news = told.get()
        if isinstance(news, _Ended):
            left -= 1
            yield news
        else:
            batch.report(news)


@dataclass(frozen=True, slots=True)
class _Ended:
    lost: str = ""
    fault: Exception | None = None


def _run(these: _Round, told: "SimpleQueue[SendResult | _Ended]") -> None:
    """One line on a thread of its own."""
    try:
        for result in these.over_a_line():
            told.put(result)
    except Lost as lost:
        told.put(_Ended(lost=str(lost)))
    except Exception as fault:
        told.put(_Ended(fault=fault))
    else:
        told.put(_Ended())


def _send_one(
    line: Line, item: Outgoing, ahead: Path | None, proposed: Sequence[tuple[str, str]]
) -> SendResult:
    """Raises Lost, _Otherwise."""
    try:
        if item.restore is not None:
            return _restored(line, item.ordinal, item.restore(), proposed)
        return _stored(line, item, ahead)
    except Unmade as why:
        return SendResult(item.ordinal, None, "later" if why.later else "refused", str(why))
    except (OSError, NotPart10) as error:
        reason = f"The file could not be read ({type(error).__name__}): it stays here, and is tried again."
        return SendResult(item.ordinal, None, "later", reason)
    except Unconvertible as error:
        return SendResult(item.ordinal, None, "refused", str(error))


def _stored(line: Line, item: Outgoing, ahead: Path | None) -> SendResult:
    uids = item.sop_class_uid, item.sop_instance_uid
    exact = line.accepted.get((item.sop_class_uid, item.transfer_syntax))
    if exact is not None and item.source is not None:
        return _judged(item.ordinal, line.store_bytes(exact, *uids, item.source()))
    if exact is not None:
        return _judged(item.ordinal, line.store_file(exact, *uids, item.path, ahead))
    for syntax in PLAIN_SYNTAXES:
        plain = line.accepted.get((item.sop_class_uid, syntax))
        if plain is not None:
            return _judged(item.ordinal, line.store_bytes(plain, *uids, _reencoded(item, syntax)))
    return SendResult(item.ordinal, None, "refused", NOT_ACCEPTED)


def _restored(line: Line, ordinal: int, image: Restored, proposed: Sequence[tuple[str, str]]) -> SendResult:
    """What is made while it is sent goes out piece by piece, under its own UIDs."""
    pair, uids = (image.sop_class, image.transfer_syntax), (image.sop_class, image.sop_instance)
    if pair not in proposed:
        raise _Otherwise(pair)
    exact = line.accepted.get(pair)
    if exact is not None:
        return _judged(ordinal, line.store_pieces(exact, *uids, image.pieces))
    for syntax in PLAIN_SYNTAXES:
        plain = line.accepted.get((image.sop_class, syntax))
        if plain is not None:
            data = reencoded_data(b"".join(image.pieces), image.transfer_syntax, syntax)
            return _judged(ordinal, line.store_bytes(plain, *uids, data))
    return SendResult(ordinal, None, "refused", NOT_ACCEPTED)


def _reencoded(item: Outgoing, syntax: str) -> bytes:
    if item.source is None:
        return reencoded(item.path, syntax)
    return reencoded_data(item.source(), item.transfer_syntax, syntax)


def _judged(ordinal: int, code: int) -> SendResult:
    status = explain(code)
    verdicts: dict[Meaning, Verdict] = {Meaning.STORED: "stored", Meaning.LATER: "later"}
    reason = "" if code == 0 else f"0x{code:04X} {status.name}: {status.sentence}"
    return SendResult(ordinal, code, verdicts.get(status.meaning, "refused"), reason)


class _Batch:
    """Counts results on their way to whoever asked, and remembers why the rest was left."""

    def __init__(self, on_result: Callable[[SendResult], None]) -> None:
        self._on_result = on_result
        self._counts: Counter[Verdict] = Counter()
        self.stopped = ""

    def report(self, result: SendResult) -> None:
        self._counts[result.verdict] += 1
        self._on_result(result)

    def leave(self, items: Iterable[Outgoing]) -> None:
        for item in items:
            self.report(SendResult(item.ordinal, None, "later", self.stopped))

    def summary(self) -> SendSummary:
        counts = self._counts
        return SendSummary(counts["stored"], counts["later"], counts["refused"], self.stopped)
