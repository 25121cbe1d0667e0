"""An association on which a peer may ask what we have (C-FIND, PS3.4 C.4.1).

pynetdicom would build a data set for each answer, and a message for each data set; here an answer is a command and an
identifier of a few hundred bytes. So the service is served here: queries are kept until the reactor has nothing else
to read. The first answer leaves at once, others by the hundred (`Bundle`), and after each bundle we read what the peer
says meanwhile: a C-CANCEL, or that it is gone.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from proxy.network import identifier, messages
from proxy.network.committing import Committing
from proxy.network.contexts import IMPLICIT_LITTLE
from proxy.network.door import AnswersQueries
from proxy.network.finding import (
    CANCELLED,
    CANNOT_PROCESS,
    CLASS_NOT_SUPPORTED,
    FIND_CLASSES,
    IDENTIFIER_MISMATCH,
    PENDING,
    PENDING_LESS,
    SUCCESS,
    Extended,
    Match,
    Query,
    Refused,
    agreed,
)
from proxy.network.inbox import Gathered, place
from proxy.network.messages import COMMAND, Command, Malformed

logger = logging.getLogger(__name__)

MOST_WAITING = 16
FULL = 16 * 1024  # bytes of identifiers: about a hundred answers
STANDING = frozenset(
    {"Sta6", "Sta8"}
)  # established; or the peer wants to release and still listens (PS3.8 9.2)
DONE, STOPPED = Refused(SUCCESS, ""), Refused(CANCELLED, "")
UNREADABLE = Refused(CANNOT_PROCESS, "Identifier cannot be read")
MISSING = Refused(IDENTIFIER_MISMATCH, "A query needs an identifier")
FAILED = Refused(CANNOT_PROCESS, "The query failed; it may be tried again")
OTHER_CLASS = Refused(CLASS_NOT_SUPPORTED, "SOP Class was not negotiated in this context")


@dataclass(frozen=True, slots=True, repr=False)
class _Request:
    """`sop_class` is the context's; `named` the one in the command."""

    context_id: int
    sop_class: str
    named: str
    message_id: int
    implicit: bool
    data: bytes


class Querying(Committing):
    _queries: "deque[_Request]"
    _serving: _Request | None = None
    _is_cancelled: bool = False
    _extended: dict[str, Extended]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._queries, self._extended = deque(), {}

    # --- negotiation ------------------------------------------------------------------------------

    def offers_queries(self) -> bool:
        """Whether this caller wants to ask, and may."""
        if FIND_CLASSES.isdisjoint(one.abstract_syntax for one in self.dul.proposals):
            return False
        return isinstance(self.door, AnswersQueries) and self.door.may_query(self.caller)

    def extend_queries(self) -> None:
        """Answer what the caller proposes besides (PS3.4 C.5.1)."""
        for sop_class, wanted in self.requestor.sop_class_extended.items():
            if str(sop_class) in FIND_CLASSES:
                item = SOPClassExtendedNegotiation()
                item.sop_class_uid = sop_class
                self._extended[str(sop_class)], item.service_class_application_information = agreed(wanted)
                self.acceptor.add_negotiation_item(item)

    # --- what comes -------------------------------------------------------------------------------

    def open_query(self, context_id: int, command: Command, negotiated: Any) -> Gathered | None:
        """Where the identifier of a query goes, whose command is complete. Raises Malformed."""
        message_id = command.number(messages.MESSAGE_ID)
        if message_id is None or len(self._queries) >= MOST_WAITING:
            raise Malformed("a query has no Message ID, or there are too many at once")
        sop_class, named = str(negotiated.abstract_syntax), command.text(messages.AFFECTED_CLASS)
        implicit = str(negotiated.transfer_syntax[0]) == IMPLICIT_LITTLE

        def keep(context_id: int, command: bytes, data: bytes | None) -> None:
            self._queries.append(_Request(context_id, sop_class, named, message_id, implicit, data or b""))

        if command.has_data_set:
            return Gathered(context_id, b"", keep)
        self._end(_Request(context_id, sop_class, named, message_id, implicit, b""), MISSING)
        return None

    def heard_end_of_query(self, command: Command) -> bool:
        """Whether a C-CANCEL is of the query that is being answered, or of one that waits."""
        message_id = command.number(messages.RESPONDED_TO)
        if self._serving is not None and self._serving.message_id == message_id:
            self._is_cancelled = True
            return True
        waiting = [one for one in self._queries if one.message_id == message_id]
        for request in waiting:
            self._queries.remove(request)
            self._end(request, STOPPED)
        return bool(waiting)

    # --- serving ----------------------------------------------------------------------------------

    def _serve_waiting(self) -> None:
        super()._serve_waiting()
        while self._queries and self.is_established and not self.dul.over:
            self._serving, self._is_cancelled = self._queries.popleft(), False
            end = self._answered(self._serving)
            if self.dul.state in STANDING:
                self._end(self._serving, end)
            self._serving = None

    def _answered(self, request: _Request) -> Refused:
        query, door = self._query(request), self.door
        if isinstance(query, Refused) or not isinstance(door, AnswersQueries):
            return query if isinstance(query, Refused) else FAILED
        try:
            with closing(door.query(self.caller, query)) as found:
                return self._told(request, found)
        except Exception as error:
            logger.error("A query is answered with 0xC000: %s.", place(error))
            return FAILED

    def _query(self, request: _Request) -> Query | Refused:
        if request.named != request.sop_class:
            return OTHER_CLASS
        try:
            keys = identifier.read(request.data, implicit=request.implicit)
        except Malformed:
            return UNREADABLE
        extended = self._extended.get(request.sop_class, Extended())
        return Query(request.sop_class, {key.tag: key for key in keys}, extended)

    def _told(self, request: _Request, found: "Iterator[Match | Refused | None]") -> Refused:
        bundle = Bundle(request, self.dimse.maximum_pdu_size)
        for one in found:
            if isinstance(one, Refused):
                self._send(bundle)
                return one
            if one is not None:
                bundle.add(one)
            if (one is None or bundle.is_due) and self._is_over(bundle):
                return STOPPED
        self._send(bundle)
        return DONE

    def _is_over(self, bundle: "Bundle") -> bool:
        """Whether, once this was sent, nobody wants more."""
        self._send(bundle)
        self.dul.look()
        return self._is_cancelled or self.dul.state not in STANDING

    def _send(self, bundle: "Bundle") -> None:
        if data := bundle.taken():
            self.dul.socket.send(data)

    def _end(self, request: _Request, end: Refused) -> None:
        sop_class = request.named or request.sop_class
        command = messages.find_response(
            sop_class, request.message_id, end.status, comment=end.comment, has_data=False
        )
        self.respond(request.context_id, command)


class Bundle:
    """Answers of one query that leave together. Each has its own PDUs, as if it left alone."""

    def __init__(self, request: _Request, longest: int) -> None:
        self._request, self._longest = request, longest
        self._commands: dict[int, bytes] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._full_at = 1  # byte: nobody waits for the first

    def add(self, match: Match) -> None:
        context_id = self._request.context_id
        data = identifier.encoded(match.elements, implicit=self._request.implicit)
        self._pieces.append(self._command(PENDING_LESS if match.less else PENDING))
        self._pieces += messages.fragments(context_id, 0, data, self._longest)
        self._size += len(data)

    def _command(self, status: int) -> bytes:
        """The same for all answers of a status."""
        if status not in self._commands:
            request = self._request
            command = messages.find_response(request.sop_class, request.message_id, status)
            pdus = messages.fragments(request.context_id, COMMAND, command, self._longest)
            self._commands[status] = b"".join(pdus)
        return self._commands[status]

    @property
    def is_due(self) -> bool:
        return self._size >= self._full_at

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size, self._full_at = 0, FULL
        return data
