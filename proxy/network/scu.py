"""The sender: C-ECHO and C-STORE as a user, one association for a batch, an outcome for each instance."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from proxy.network.contexts import EXPLICIT_LITTLE, IMPLICIT_LITTLE, VERIFICATION, proposals, rounds
from proxy.network.part10 import Unconvertible, data_set, reencoded
from proxy.network.quiet import hush
from proxy.network.statuses import Meaning, explain

hush()
logger = logging.getLogger(__name__)
Verdict = Literal["stored", "later", "refused"]


@dataclass(frozen=True, slots=True)
class Peer:
    ae_title: str
    host: str
    port: int
    calling_ae: str = "DICOMRCV"
    max_pdu: int = 16384
    acse_timeout: float = 30.0
    dimse_timeout: float = 60.0
    network_timeout: float = 60.0
    connect_timeout: float = 10.0


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


class _Lost(Exception):
    """The association is gone; its message is a sentence for an operator."""


def echo(peer: Peer) -> EchoResult:
    began = time.monotonic()
    try:
        line = Line(peer, [build_context(VERIFICATION, [IMPLICIT_LITTLE])])
    except _Lost as lost:
        return EchoResult(False, str(lost), _since(began))
    try:
        status = line.echo()
    except _Lost as lost:
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
    except _Lost as lost:
        batch.stopped = str(lost)
        return batch.leave(left)
    try:
        while left and not batch.stopped:
            if not keep_going():
                batch.stopped = "Sending was stopped on our side: the rest follows later."
                break
            batch.report(_send_one(line, left[0]))
            left.pop(0)
    except _Lost as lost:
        batch.stopped = str(lost)
    finally:
        line.close()
    return batch.leave(left)


def _send_one(line: "Line", item: Outgoing) -> SendResult:
    context = line.context_for(item)
    if context is None:
        reason = (
            "The peer accepts no presentation context for this SOP Class: allow it there or exclude it here."
        )
        return SendResult(item.ordinal, None, "refused", reason)
    try:
        data = (
            data_set(item.path)
            if context.syntax == item.transfer_syntax
            else reencoded(item.path, context.syntax)
        )
    except OSError as error:
        return SendResult(
            item.ordinal, None, "later", f"The file could not be read ({type(error).__name__})."
        )
    except Unconvertible as error:
        return SendResult(item.ordinal, None, "refused", str(error))
    return _judged(item.ordinal, line.store(context.id, item, data))


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


@dataclass(frozen=True, slots=True)
class _Chosen:
    id: int
    syntax: str


class Line:
    """An association we asked for."""

    def __init__(self, peer: Peer, contexts: list[Any]) -> None:
        ae = AE(ae_title=peer.calling_ae)
        ae.acse_timeout, ae.dimse_timeout = peer.acse_timeout, peer.dimse_timeout
        ae.network_timeout, ae.connection_timeout = peer.network_timeout, peer.connect_timeout
        self._message_id = 0
        where = f"{peer.ae_title} at {peer.host}:{peer.port}"
        try:
            self._assoc = ae.associate(
                peer.host, peer.port, contexts=contexts, ae_title=peer.ae_title, max_pdu=peer.max_pdu
            )
        except OSError as error:
            raise _Lost(f"{where} cannot be reached ({type(error).__name__}).") from None
        if not self._assoc.is_established and not self._took_nothing():
            raise _Lost(self._why_not(where))
        self._accepted = {
            (str(one.abstract_syntax), str(one.transfer_syntax[0])): one.context_id
            for one in self._assoc.accepted_contexts
        }

    def _took_nothing(self) -> bool:
        """The peer let us in but accepted no context: that is an answer about every image of the round."""
        answer = self._assoc.acceptor.primitive
        return answer is not None and answer.result == 0 and not self._assoc.accepted_contexts

    def _why_not(self, where: str) -> str:
        if self._assoc.is_rejected:
            answer = self._assoc.acceptor.primitive
            numbers = f"{answer.result}/{answer.result_source}/{answer.diagnostic}"
            return f"{where} rejected the association ({numbers}: {answer.reason_str})."
        return f"{where} did not take the association: check the address, and that it is running."

    def context_for(self, item: Outgoing) -> _Chosen | None:
        for syntax in (item.transfer_syntax, EXPLICIT_LITTLE, IMPLICIT_LITTLE):
            context_id = self._accepted.get((item.sop_class_uid, syntax))
            if context_id is not None:
                return _Chosen(context_id, syntax)
        return None

    def echo(self) -> int:
        return self._status(self._assoc.send_c_echo())

    def store(self, context_id: int, item: Outgoing, data: bytes) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        request = C_STORE()
        request.MessageID, request.Priority = self._message_id, 0
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = (
            item.sop_class_uid,
            item.sop_instance_uid,
        )
        request.DataSet = BytesIO(data)
        assoc = self._assoc
        assoc._reactor_checkpoint.clear()
        while not assoc._is_paused:
            time.sleep(0.0001)
        assoc.dimse.send_msg(request, context_id)
        _, answer = assoc.dimse.get_msg(block=True)
        assoc._reactor_checkpoint.set()
        if answer is None or answer.Status is None:
            raise _Lost("The association was lost while an image was on its way: it is sent again.")
        return int(answer.Status)

    def _status(self, answer: Any) -> int:
        if "Status" not in answer:
            raise _Lost("The peer gave no answer in time.")
        return int(answer.Status)

    def close(self) -> None:
        if self._assoc.is_established:
            self._assoc.release()
