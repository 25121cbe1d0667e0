"""An association on which a peer may ask what we have (C-FIND, PS3.4 C.4.1).

pynetdicom finds the handler and sends the last answer. The pending ones are sent here while they are found, each as a
command and an identifier of a few hundred bytes, and after each we read what the peer says meanwhile: a C-CANCEL, or
that it is gone.
"""

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from proxy.network import identifier, messages
from proxy.network.committing import Committing
from proxy.network.door import AnswersQueries
from proxy.network.finding import (
    CANCELLED,
    CANNOT_PROCESS,
    CLASS_NOT_SUPPORTED,
    FIND_CLASSES,
    IDENTIFIER_MISMATCH,
    PENDING,
    PENDING_LESS,
    Extended,
    Match,
    Query,
    Refused,
    agreed,
)
from proxy.network.inbox import Gathered, place
from proxy.network.messages import COMMAND, Command, Malformed

logger = logging.getLogger(__name__)

STANDING = frozenset(
    {"Sta6", "Sta8"}
)  # established; or the peer wants to release and still listens (PS3.8 9.2)
UNREADABLE = Refused(CANNOT_PROCESS, "Identifier cannot be read")
FAILED = Refused(CANNOT_PROCESS, "The query failed; it may be tried again")
OTHER_CLASS = Refused(CLASS_NOT_SUPPORTED, "SOP Class was not negotiated in this context")


class Querying(Committing):
    _extended: dict[str, Extended]

    def offers_queries(self) -> bool:
        """Whether this caller wants to ask, and may; from now on its queries are answered."""
        if FIND_CLASSES.isdisjoint(one.abstract_syntax for one in self.dul.proposals):
            return False
        if not isinstance(self.door, AnswersQueries) or not self.door.may_query(self.caller):
            return False
        self._extended = {}
        self.bind(evt.EVT_C_FIND, self._queried)
        return True

    def extend_queries(self) -> None:
        """Answer what the caller proposes besides (PS3.4 C.5.1)."""
        for sop_class, wanted in self.requestor.sop_class_extended.items():
            if str(sop_class) in FIND_CLASSES:
                item = SOPClassExtendedNegotiation()
                item.sop_class_uid = sop_class
                self._extended[str(sop_class)], item.service_class_application_information = agreed(wanted)
                self.acceptor.add_negotiation_item(item)

    def gather(self, context_id: int, encoded: bytes, command: Command) -> Gathered | None:
        """pynetdicom would not answer a query without identifier."""
        is_query = command.number(messages.COMMAND_FIELD) == messages.C_FIND_RQ
        message_id = command.number(messages.MESSAGE_ID)
        if not is_query or command.has_data_set or message_id is None:
            return super().gather(context_id, encoded, command)
        sop_class = command.text(messages.AFFECTED_CLASS)
        response = messages.find_response(sop_class, message_id, IDENTIFIER_MISMATCH, has_data=False)
        self.respond(context_id, response)
        return None

    def _queried(self, event: Any) -> Iterator[tuple[Any, None]]:
        """The last status, unless it is Success, which pynetdicom says by itself."""
        end = self._answered(event)
        if isinstance(end, Refused):
            said = Dataset()
            said.Status, said.ErrorComment = end.status, end.comment
            yield said, None
        elif end:
            yield end, None

    def _answered(self, event: Any) -> Refused | int:
        query = self._query(event)
        door = self.door
        if isinstance(query, Refused) or not isinstance(door, AnswersQueries):
            return query if isinstance(query, Refused) else FAILED
        try:
            with closing(door.query(self.caller, query)) as found:
                return self._told(event, found)
        except Exception as error:
            logger.error("A query is answered with 0xC000: %s.", place(error))
            return FAILED

    def _query(self, event: Any) -> Query | Refused:
        request, context = event.request, event.context
        sop_class = str(context.abstract_syntax)
        if str(request.AffectedSOPClassUID) != sop_class:
            return OTHER_CLASS
        try:
            keys = identifier.read(
                request.Identifier.getvalue(), implicit=bool(context.transfer_syntax.is_implicit_VR)
            )
        except Malformed:
            return UNREADABLE
        extended = self._extended.get(sop_class, Extended())
        return Query(sop_class, {key.tag: key for key in keys}, extended)

    def _told(self, event: Any, found: "Iterator[Match | Refused | None]") -> Refused | int:
        for one in found:
            if isinstance(one, Refused):
                return one
            if one is not None:
                self._tell(event, one)
            self.dul.look()
            if event.is_cancelled or self.dul.state not in STANDING:
                return CANCELLED
        return 0

    def _tell(self, event: Any, match: Match) -> None:
        request, context = event.request, event.context
        command = messages.find_response(
            str(context.abstract_syntax), request.MessageID, PENDING_LESS if match.less else PENDING
        )
        data = identifier.encoded(match.elements, implicit=bool(context.transfer_syntax.is_implicit_VR))
        longest = self.dimse.maximum_pdu_size
        pdus = [
            *messages.fragments(context.context_id, COMMAND, command, longest),
            *messages.fragments(context.context_id, 0, data, longest),
        ]
        self.dul.socket.send(b"".join(pdus))
