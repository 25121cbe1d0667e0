"""An association on which a peer may ask what we have (C-FIND, PS3.4 C.4.1).

pynetdicom would build a data set for each answer, and a message for each data set; here an answer is a command and an
identifier of a few hundred bytes, sent while the next one is looked for. So the service is served here: queries are
kept until the reactor has nothing else to read, and after each answer we read what the peer says meanwhile: a C-CANCEL,
or that it is gone.
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
        for one in found:
            if isinstance(one, Refused):
                return one
            if one is not None:
                self._tell(request, one)
            self.dul.look()
            if self._is_cancelled or self.dul.state not in STANDING:
                return STOPPED
        return DONE

    def _tell(self, request: _Request, match: Match) -> None:
        status = PENDING_LESS if match.less else PENDING
        command = messages.find_response(request.sop_class, request.message_id, status)
        data = identifier.encoded(match.elements, implicit=request.implicit)
        longest = self.dimse.maximum_pdu_size
        pdus = [
            *messages.fragments(request.context_id, COMMAND, command, longest),
            *messages.fragments(request.context_id, 0, data, longest),
        ]
        self.dul.socket.send(b"".join(pdus))

    def _end(self, request: _Request, end: Refused) -> None:
        sop_class = request.named or request.sop_class
        command = messages.find_response(
            sop_class, request.message_id, end.status, comment=end.comment, has_data=False
        )
        self.respond(request.context_id, command)
