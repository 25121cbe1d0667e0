"""An association somebody asked us for: what is agreed on when it opens, and where each of its messages goes."""

import logging
import time
from typing import Any, Protocol

from pynetdicom.pdu_primitives import (
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)

from proxy.network import messages
from proxy.network.contexts import PUSH_MODEL
from proxy.network.door import NOT_ASKED, Caller, Door, HearsEchoes, HearsFarewells, KnowsQuirks, Rejection
from proxy.network.finding import FIND_CLASSES
from proxy.network.inbox import Gathered, Store, place
from proxy.network.messages import Command
from proxy.network.negotiating import Roles, agreed, answers, selection, standing
from proxy.network.querying import Querying
from proxy.network.quirks import NO_EXTENDED, pdu_limit
from proxy.network.retrieving import Retrieving
from proxy.network.tls import ServerTls

logger = logging.getLogger(__name__)

SUCCESS = 0x0000
NOT_EXTENDED = (
    MaximumLengthNotification,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
)
PUSH = frozenset({PUSH_MODEL})
NO_TLS = Rejection(*NOT_ASKED, "The TLS handshake failed: is it TLS, and is the certificate one we trust?")


class Serves(Protocol):
    """What all associations of one port have in common."""

    door: Door
    accepted: frozenset[str]
    tls: ServerTls | None

    def judge(self, association: "Acceptor") -> Rejection | None: ...

    def turned_away(self, caller: Caller, rejection: Rejection) -> None: ...

    def forget(self, association: "Acceptor") -> None: ...


class Acceptor(Querying, Retrieving):
    """An association somebody asked us for."""

    server: Serves
    caller: Caller
    ticket: int
    quirks: frozenset[str] = frozenset()

    @property
    def door(self) -> Door:
        return self.server.door

    def open_message(self, context_id: int, encoded: bytes, command: Command) -> Store | Gathered | None:
        """Decide where a message goes whose command is complete."""
        negotiated = self._accepted_cx.get(context_id)
        field = command.number(messages.COMMAND_FIELD)
        if field == messages.C_STORE_RQ and negotiated is not None:
            return self._open_store(context_id, command, negotiated)
        if field in (messages.C_GET_RQ, messages.C_MOVE_RQ) and negotiated is not None:
            return self.open_retrieval(context_id, command, str(negotiated.abstract_syntax))
        if field == messages.C_FIND_RQ and str(getattr(negotiated, "abstract_syntax", "")) in FIND_CLASSES:
            return self.open_query(context_id, command, negotiated)
        if field == messages.C_STORE_RSP:
            self.heard_answer(command)
            return None
        if field == messages.C_CANCEL_RQ:
            if self.heard_end_of_query(command):
                return None
            self.heard_cancel(command)
        return self.gather(context_id, encoded, command)

    def _open_store(self, context_id: int, command: Command, negotiated: Any) -> Store | None:
        store = Store(context_id, command, self.respond)
        sop_class = str(negotiated.abstract_syntax)
        taken = sop_class if sop_class in self.server.accepted else ""  # it may stand there to be given only
        pair = (taken, str(negotiated.transfer_syntax[0]))
        store.begin(self.server.door, self.caller, pair, self.quirks)
        if command.has_data_set:
            return store
        store.finish()
        return None

    def run_reactor(self) -> None:
        """All of an association's life, whatever happens in it."""
        try:
            if self._is_secure():
                super().run_reactor()
        except Exception as error:
            logger.error("An association failed: %s.", place(error))
        finally:
            self.inbox.drop()
            self.dul.dispose()
            self._say_farewell()
            self.server.forget(self)

    def _say_farewell(self) -> None:
        if isinstance(self.server.door, HearsFarewells):
            try:
                self.server.door.left()
            except Exception as error:
                logger.error("The door failed: %s.", place(error))

    def _is_secure(self) -> bool:
        tls = self.server.tls
        if tls is None or self.dul.socket.secure(tls.context(), time.monotonic() + self.acse_timeout):
            return True
        info = self.requestor.address_info
        self.server.turned_away(Caller("", "", info.address, info.port), NO_TLS)
        return False

    def requested(self, event: Any) -> None:
        """The first moment at which we know who is calling: let in, or refuse."""
        request, info = self.requestor.primitive, self.requestor.address_info
        self.caller = Caller(
            request.called_ae_title.strip(),
            request.calling_ae_title.strip(),
            info.address,
            info.port,
            self.dul.socket.certificate_subject(),
        )
        rejection = self.server.judge(self)
        if rejection is None:
            self._mind_quirks(request)
            self.dul.answers = answers(self.dul.proposals, self._classes())
            return
        self.server.turned_away(self.caller, rejection)
        self.acse.send_reject(rejection.result, rejection.source, rejection.reason)
        self.kill()

    def _classes(self) -> frozenset[str]:
        commitment = PUSH if self._agree_on_commitment() else frozenset()
        queries = FIND_CLASSES if self._agree_on_queries() else frozenset()
        return self.server.accepted | commitment | queries | self.agree_on_retrieval(self.server.accepted)

    def _agree_on_queries(self) -> bool:
        offered = self.offers_queries()
        if offered and NO_EXTENDED not in self.quirks:
            self.extend_queries()
        return offered

    def _agree_on_commitment(self) -> bool:
        """Whether it is offered. A peer that selects no role is what it then does: it asks, or it tells."""
        allowed = Roles(scu=self.offers_commitment(), scp=self.hears_commitments())
        selected = self.requestor.role_selection.get(PUSH_MODEL)
        if selected is None:
            return bool(allowed)
        roles = agreed(Roles(bool(selected.scu_role), bool(selected.scp_role)), allowed)
        if roles:
            self.acceptor.add_negotiation_item(selection(PUSH_MODEL, roles))
        return bool(roles)

    def accepted(self, event: Any) -> None:
        self._accepted_cx = standing(self.dul.answers)

    def _mind_quirks(self, request: Any) -> None:
        door = self.server.door
        self.quirks = door.quirks(self.caller) if isinstance(door, KnowsQuirks) else frozenset()
        self.acceptor.maximum_length = pdu_limit(self.acceptor.maximum_length, self.quirks)
        if NO_EXTENDED in self.quirks:
            plain = [item for item in request.user_information if isinstance(item, NOT_EXTENDED)]
            request.user_information = plain

    def echoed(self, event: Any) -> int:
        if isinstance(self.server.door, HearsEchoes):
            self.server.door.echoed(self.caller)
        return SUCCESS
