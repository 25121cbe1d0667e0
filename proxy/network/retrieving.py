"""An association on which a peer may ask for images: C-GET gives them over it, C-MOVE brings them to somebody.

pynetdicom would decode each image and encode it again, a third of a second for a large one; here a stored image goes
from its file to the socket, and a restored one is made a piece at a time. So the two services are served here:
requests are kept until the reactor has nothing else to read, their sub-operations send over a `Carrier`, and between
them what the peer says meanwhile is read: its answers, a C-CANCEL, its abort.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode, encode

from proxy.network import giving, messages
from proxy.network.carrier import Carrier
from proxy.network.committing import Committing
from proxy.network.contexts import ALL_CLASSES
from proxy.network.door import GivesImages
from proxy.network.giving import CANCELLED, CANNOT_PROCESS, MODELS, MOVE, PENDING, Selection, Tally
from proxy.network.inbox import Gathered, place
from proxy.network.messages import Command, Malformed, Mover
from proxy.network.negotiating import Roles, agreed, selection
from proxy.network.suboperations import Bringing, Giving, Target

logger = logging.getLogger(__name__)

MOST_WAITING = 16
GIVEN = frozenset(ALL_CLASSES)


@dataclass(frozen=True, slots=True)
class _Request:
    context_id: int
    sop_class: str
    message_id: int
    identifier: bytes
    to: str | None

    @property
    def response(self) -> int:
        return messages.C_GET_RSP if self.to is None else messages.C_MOVE_RSP


class Retrieving(Committing):
    _requests: "deque[_Request]"
    _carrier: Carrier | None = None
    _cancelled: set[int]
    giving_roles: "dict[str, Roles]"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._requests, self._cancelled = deque(), set()
        self.giving_roles = {}

    # --- negotiation ------------------------------------------------------------------------------

    def agree_on_retrieval(self, stored: frozenset[str]) -> frozenset[str]:
        """The classes it takes: the services, and those that the peer wants to be given (PS3.4 C.5.3.1.1).

        `stored` are those that the peer may store here as well.
        """
        wanted = {one.abstract_syntax for one in self.dul.proposals} & set(MODELS)
        if not wanted or not isinstance(self.door, GivesImages) or not self.door.may_retrieve(self.caller):
            return frozenset()
        for sop_class, item in self.requestor.role_selection.items():
            proposed = Roles(bool(item.scu_role), bool(item.scp_role))
            roles = agreed(proposed, Roles(scu=sop_class in stored, scp=sop_class in GIVEN))
            if roles.scp:
                self.giving_roles[str(sop_class)] = roles
                self.acceptor.add_negotiation_item(selection(str(sop_class), roles))
        return frozenset(wanted) | frozenset(self.giving_roles)

    # --- what comes -------------------------------------------------------------------------------

    def open_retrieval(self, context_id: int, command: Command, sop_class: str) -> Gathered:
        """Where the identifier of a request goes, whose command is complete. Raises Malformed."""
        if sop_class not in MODELS:
            raise Malformed("a retrieval comes in the context of another service")
        message_id = command.number(messages.MESSAGE_ID)
        to = command.text(messages.MOVE_DESTINATION) if MODELS[sop_class][1] == MOVE else None
        if message_id is None or not command.has_data_set or len(self._requests) >= MOST_WAITING:
            raise Malformed("a retrieval has no Message ID, or no identifier, or there are too many at once")
        self._cancelled.discard(message_id)  # what came too late for another one of this number

        def keep(context_id: int, command: bytes, data: bytes | None) -> None:
            self._requests.append(_Request(context_id, sop_class, message_id, data or b"", to))

        return Gathered(context_id, b"", keep)

    def heard_answer(self, command: Command) -> None:
        """A C-STORE-RSP: of one of our sub-operations, or of nothing."""
        if self._carrier is not None:
            self._carrier.heard(command)

    def heard_cancel(self, command: Command) -> None:
        message_id = command.number(messages.RESPONDED_TO)
        if message_id is not None and len(self._cancelled) < MOST_WAITING:
            self._cancelled.add(message_id)

    # --- serving ----------------------------------------------------------------------------------

    def _serve_waiting(self) -> None:
        super()._serve_waiting()
        while self._requests and self.is_established and not self.dul.over:
            request = self._requests.popleft()
            try:
                self._serve(request)
            except Exception as error:
                logger.error("A %s failed: %s.", MODELS[request.sop_class][1], place(error))
                status = getattr(error, "status", CANNOT_PROCESS)  # ours say whose fault they are
                self._answer(request, status if isinstance(status, int) else CANNOT_PROCESS)
            self._cancelled.discard(request.message_id)

    def _serve(self, request: _Request) -> None:
        identifier = self._identifier(request)
        wish = (
            giving.read_wish(request.sop_class, identifier, request.to)
            if identifier is not None
            else giving.IDENTIFIER_MISMATCH
        )
        door = self.door
        if isinstance(wish, int) or not isinstance(door, GivesImages):
            self._answer(request, wish if isinstance(wish, int) else CANNOT_PROCESS)
            return
        selection = door.selected(self.caller, wish)
        if isinstance(selection, int):
            self._answer(request, selection)
        else:
            self._give(request, selection)

    def _identifier(self, request: _Request) -> Dataset | None:
        syntax = UID(self._accepted_cx[request.context_id].transfer_syntax[0])
        try:
            return decode(BytesIO(request.identifier), syntax.is_implicit_VR, True, syntax.is_deflated)
        except Exception:  # whatever pydicom stumbles over
            return None

    def _give(self, request: _Request, selection: Selection) -> None:
        work = _Work(Tally(selection.count))
        target = self._receiver(request, selection)
        try:
            for _ in target.carried(selection.offers, work.tally, work.failures):
                if not self._goes_on(request, work):
                    break
            else:
                work.tally.ended()
        finally:
            self._carrier = None
            target.close()
            selection.over(work.tally)
        if self.is_established:
            self._conclude(request, work)

    def _receiver(self, request: _Request, selection: Selection) -> Target:
        if selection.peer is not None:
            mover = Mover(self.caller.calling_ae, request.message_id)
            return Bringing(selection.peer, selection.pairs, mover)
        longest = int(self.requestor.maximum_length or 0)
        self._carrier = Carrier(self, longest, float(self.dimse_timeout or 60.0), frozenset())
        return Giving(self._carrier, dict(self._given_contexts()))

    def _given_contexts(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Those on which the peer is the provider of storage."""
        for context_id, context in self._accepted_cx.items():
            roles = self.giving_roles.get(str(context.abstract_syntax))
            if roles is not None and roles.scp:
                yield (str(context.abstract_syntax), str(context.transfer_syntax[0])), int(context_id)

    def _goes_on(self, request: _Request, work: "_Work") -> bool:
        """After each sub-operation: say how far we are, hear what the peer says."""
        if work.tally.remaining:
            self._answer(request, PENDING, work.tally)
        self.dul.look()
        work.cancelled = request.message_id in self._cancelled
        return self.is_established and not self.dul.over and not work.cancelled and self._peer_stays()

    def _peer_stays(self) -> bool:
        return self.dul.state == "Sta6"

    def _conclude(self, request: _Request, work: "_Work") -> None:
        status = CANCELLED if work.cancelled and work.tally.remaining else work.tally.final()
        self._answer(request, status, work.tally, work.failures)

    def _answer(
        self, request: _Request, status: int, tally: Tally | None = None, failures: list[str] | None = None
    ) -> None:
        counts = tally or Tally(0)
        data = self._failed_list(request, failures) if failures else b""
        remaining = counts.remaining if status in (PENDING, CANCELLED) else None
        command = messages.retrieve_response(
            request.response,
            request.sop_class,
            request.message_id,
            status,
            (remaining, counts.completed, counts.failed, counts.warned),
            has_data=bool(data),
        )
        self.respond(request.context_id, command)
        if data:
            for pdu in messages.fragments(request.context_id, 0, data, self.dimse.maximum_pdu_size):
                self.dul.socket.send(pdu)

    def _failed_list(self, request: _Request, failures: list[str]) -> bytes:
        syntax = UID(self._accepted_cx[request.context_id].transfer_syntax[0])
        said = Dataset()
        said.FailedSOPInstanceUIDList = failures
        return encode(said, syntax.is_implicit_VR, True, syntax.is_deflated) or b""


@dataclass(slots=True)
class _Work:
    tally: Tally
    failures: list[str] = field(default_factory=list)
    cancelled: bool = False
