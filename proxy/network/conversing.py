"""An association of ours on which one request has many answers: C-FIND, C-MOVE and C-GET as a user.

Answers are handed on one by one; while whoever asked is at work, nothing is read, so that a peer with a hundred
thousand answers waits and our memory stays as it is. Patience counts from the last thing that moved on: a peer that
says "pending" for ever, and nothing else, is left.
"""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from proxy.network import messages
from proxy.network.inbox import Gathered
from proxy.network.messages import C_GET_RSP, C_MOVE_RSP, Command, Malformed
from proxy.network.opening import opened
from proxy.network.peer import Lost, Peer
from proxy.network.quiet import hush
from proxy.network.quirks import ABORT_ON_CANCEL
from proxy.network.reactor import Association

hush()

C_FIND_RSP: Final = 0x8020
ANSWERS: Final = frozenset({C_FIND_RSP, C_GET_RSP, C_MOVE_RSP})
PENDING: Final = frozenset({0xFF00, 0xFF01})
LONGEST_ANSWER: Final = 4 << 20  # bytes; a list of ten thousand failed UIDs has a seventh of that
CANCELLED_WITHIN: Final = 5.0  # seconds; then the association is aborted
LOOK_EVERY: Final = 0.5
UTF_8 = "ISO_IR 192"

NOT_STANDING = "The peer ended the association before its answer was complete."
SILENT = "The peer has not moved on for {seconds:g} seconds: the association was aborted."


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """`keys` are DICOM keywords; their values may be identities, and are not shown."""

    sop_class: str
    field: int
    keys: Mapping[str, str | Sequence[str]]
    to: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    status: int
    command: Command
    data: bytes
    syntax: str

    @property
    def is_pending(self) -> bool:
        return self.status in PENDING


class Receiving(Protocol):
    def feed(self, view: memoryview) -> None: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...


Intake = Callable[[int, Command], Receiving | None]
"""Takes a C-STORE that comes as a sub-operation; None if it has no data set and was answered."""

Alive = Callable[[], bool]
"""Asked when a peer has been silent for too long: whether something has moved on that it does not tell of."""


class Conversation:
    """Raises Lost when the peer does not take the association, and whenever it is lost later."""

    def __init__(
        self,
        peer: Peer,
        contexts: Sequence[Any],
        roles: Sequence[Any] = (),
        intake: Intake | None = None,
        alive: Alive = lambda: False,
    ) -> None:
        self._peer, self._intake, self._alive = peer, intake, alive
        self._assoc: Association | None = None
        self._answers: deque[Response] = deque()
        self._said: object = None
        self._moved_at = time.monotonic()
        self._message_id = 0
        self._assoc = opened(peer, contexts, self._open_message, roles)
        self._assoc.network_timeout = None  # its clock counts what the peer says; ours, what moves on
        self.contexts = {int(one.context_id): one for one in self._assoc.accepted_contexts}

    def takes(self, sop_class: str) -> bool:
        return self._context(sop_class) is not None

    def _context(self, sop_class: str) -> Any:
        fitting = (one for one in self.contexts.values() if str(one.abstract_syntax) == sop_class)
        return next(fitting, None)

    # --- what comes -------------------------------------------------------------------------------

    def _open_message(self, context_id: int, encoded: bytes, command: Command) -> Receiving | None:
        if self._assoc is None:
            raise Malformed("a message comes before anything was asked")
        field = command.number(messages.COMMAND_FIELD)
        if field in ANSWERS:
            return self._open_answer(context_id, command)
        if field == messages.C_STORE_RQ:
            if self._intake is None:
                raise Malformed("a C-STORE comes where none was asked for")
            receiving = self._intake(context_id, command)
            return _Watched(receiving, self._moved) if receiving is not None else None
        return self._assoc.gather(context_id, encoded, command)

    def _open_answer(self, context_id: int, command: Command) -> Gathered | None:
        if command.has_data_set:
            return _Answer(context_id, b"", lambda _, __, data: self._heard(context_id, command, data or b""))
        self._heard(context_id, command, b"")
        return None

    def _heard(self, context_id: int, command: Command, data: bytes) -> None:
        if command.number(messages.RESPONDED_TO) != self._message_id:
            return
        status = command.number(messages.STATUS)
        context = self.contexts.get(context_id)
        if status is None or context is None:
            raise Malformed("an answer has no status, or another context than its request")
        said = [command.values.get(one) for one in (messages.COMPLETED, messages.FAILED, messages.WARNED)]
        if data or said != self._said or status not in PENDING:
            self._moved()
        self._said = said
        self._answers.append(Response(status, command, data, str(context.transfer_syntax[0])))

    def _moved(self) -> None:
        self._moved_at = time.monotonic()

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, request: Request) -> Iterator[Response]:
        """Each answer; the last is the final one. Who leaves earlier has it cancelled. Raises Lost."""
        self._send(request)
        over = False
        try:
            while not over:
                response = self._next()
                over = not response.is_pending
                yield response
        finally:
            if not over:
                self._cancel()

    def _send(self, request: Request) -> None:
        association, context = self._standing(), self._context(request.sop_class)
        if context is None:
            raise Lost("The peer does not accept what was to be asked of it.")
        self._message_id = self._message_id % 0xFFFF + 1
        self._answers.clear()
        self._said = None
        self._moved()
        command = messages.identifier_request(request.field, request.sop_class, self._message_id, request.to)
        association.respond(int(context.context_id), command)
        data = encoded(request.keys, str(context.transfer_syntax[0]))
        for pdu in messages.fragments(int(context.context_id), 0, data, self._longest()):
            association.dul.socket.send(pdu)
        self._context_id = int(context.context_id)

    def _longest(self) -> int:
        return int(self._standing().dimse.maximum_pdu_size)

    def _standing(self) -> Association:
        if self._assoc is None or not self._assoc.is_established or self._assoc.dul.over:
            raise Lost(NOT_STANDING)
        return self._assoc

    def _next(self) -> Response:
        while True:
            self._leave_if_stuck()
            if self._answers:
                return self._answers.popleft()
            if not self._pumped(self._moved_at + self._peer.dimse_timeout) and not self._answers:
                raise Lost(NOT_STANDING)

    def _leave_if_stuck(self) -> None:
        if not self._is_stuck():
            return
        if self._alive():
            self._moved()
            return
        self._standing().abort()
        raise Lost(SILENT.format(seconds=self._peer.dimse_timeout))

    def _is_stuck(self) -> bool:
        return time.monotonic() >= self._moved_at + self._peer.dimse_timeout

    def _pumped(self, deadline: float) -> bool:
        association = self._assoc
        return association is not None and association.serve(min(deadline, time.monotonic() + LOOK_EVERY))

    def _cancel(self) -> None:
        """Tell the peer to stop, and let it say so; one that goes on is left."""
        association = self._assoc
        if association is None or not association.is_established or association.dul.over:
            return
        if ABORT_ON_CANCEL in self._peer.quirks:
            association.abort()
            return
        association.respond(self._context_id, messages.cancel_request(self._message_id))
        deadline = time.monotonic() + CANCELLED_WITHIN
        while time.monotonic() < deadline and self._pumped(deadline):
            if any(not one.is_pending for one in self._answers):
                return
            self._answers.clear()
        if association.is_established:
            association.abort()

    def respond(self, context_id: int, command: bytes) -> None:
        self._standing().respond(context_id, command)

    def close(self) -> None:
        """Release if that can be done in order; nothing stays open."""
        association = self._assoc
        if association is None:
            return
        try:
            if association.is_established and not association.dul.over:
                association.release()
        finally:
            association.inbox.drop()
            association.kill()
            association.dul.dispose()


class _Answer(Gathered):
    def feed(self, view: memoryview) -> None:
        if len(self._data) + len(view) > LONGEST_ANSWER:
            raise Malformed("an answer is too long")
        super().feed(view)


class _Watched:
    """A C-STORE on its way to us: every piece of it is a sign that the peer moves on."""

    def __init__(self, receiving: Receiving, moved: Callable[[], None]) -> None:
        self._receiving, self._moved = receiving, moved

    def feed(self, view: memoryview) -> None:
        self._moved()
        self._receiving.feed(view)

    def finish(self) -> None:
        self._receiving.finish()
        self._moved()

    def abort(self) -> None:
        self._receiving.abort()


def encoded(keys: Mapping[str, str | Sequence[str]], syntax: str) -> bytes:
    """An identifier. Values that are not ASCII go as UTF-8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's would quote a value that breaks its rules
        identifier = Dataset()
        for keyword, value in keys.items():
            setattr(identifier, keyword, value if isinstance(value, str) else list(value))
        if not all(str(value).isascii() for value in keys.values()):
            identifier.SpecificCharacterSet = UTF_8
        return encode(identifier, UID(syntax).is_implicit_VR, True, UID(syntax).is_deflated) or b""
