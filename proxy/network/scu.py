"""The sender: C-ECHO and C-STORE as a user, one association for a batch, an outcome for each instance."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pynetdicom.presentation import build_context

from proxy.network.contexts import PLAIN_SYNTAXES, VERIFICATION, proposals, rounds
from proxy.network.line import Line, Lost, Peer
from proxy.network.part10 import NotPart10, Unconvertible, reencoded
from proxy.network.statuses import Meaning, explain

logger = logging.getLogger(__name__)
__all__ = ["EchoResult", "Outgoing", "Peer", "SendResult", "SendSummary", "echo", "send"]

Verdict = Literal["stored", "later", "refused"]
NOT_ACCEPTED = (
    "The peer accepts no presentation context for this SOP Class: allow it there or exclude it here."
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A Part 10 file to send; the UIDs are those of its data set, the ordinal is the asker's."""

    ordinal: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    path: Path


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


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def send(
    peer: Peer,
    items: Sequence[Outgoing],
    on_result: Callable[[SendResult], None],
    keep_going: Callable[[], bool],
) -> SendSummary:
    """Send a batch; every item gets exactly one result. What was not tried is `later`, with the reason."""
    batch = _Batch(on_result)
    for pairs in rounds((item.sop_class_uid, item.transfer_syntax) for item in items):
        chosen = [item for item in items if (item.sop_class_uid, item.transfer_syntax) in pairs]
        if batch.stopped:
            batch.leave(chosen)
        else:
            _send_round(peer, pairs, chosen, batch, keep_going)
    return batch.summary()


def _send_round(
    peer: Peer,
    pairs: Sequence[tuple[str, str]],
    items: Sequence[Outgoing],
    batch: "_Batch",
    keep_going: Callable[[], bool],
) -> None:
    left = list(items)
    try:
        line = Line(peer, proposals(pairs))
    except Lost as lost:
        batch.stopped = str(lost)
        return batch.leave(left)
    try:
        while left and not batch.stopped:
            if not keep_going():
                batch.stopped = "Sending was stopped on our side: the rest follows later."
                break
            batch.report(_send_one(line, left[0]))
            left.pop(0)
    except Lost as lost:
        batch.stopped = str(lost)
    finally:
        line.close()
    return batch.leave(left)


def _send_one(line: Line, item: Outgoing) -> SendResult:
    try:
        return _stored(line, item)
    except (OSError, NotPart10) as error:
        reason = f"The file could not be read ({type(error).__name__}): it stays here, and is tried again."
        return SendResult(item.ordinal, None, "later", reason)
    except Unconvertible as error:
        return SendResult(item.ordinal, None, "refused", str(error))


def _stored(line: Line, item: Outgoing) -> SendResult:
    uids = item.sop_class_uid, item.sop_instance_uid
    exact = line.accepted.get((item.sop_class_uid, item.transfer_syntax))
    if exact is not None:
        return _judged(item.ordinal, line.store_file(exact, *uids, item.path))
    for syntax in PLAIN_SYNTAXES:
        plain = line.accepted.get((item.sop_class_uid, syntax))
        if plain is not None:
            return _judged(item.ordinal, line.store_bytes(plain, *uids, reencoded(item.path, syntax)))
    return SendResult(item.ordinal, None, "refused", NOT_ACCEPTED)


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

    def leave(self, items: Sequence[Outgoing]) -> None:
        for item in items:
            self.report(SendResult(item.ordinal, None, "later", self.stopped))

    def summary(self) -> SendSummary:
        counts = self._counts
        return SendSummary(counts["stored"], counts["later"], counts["refused"], self.stopped)
