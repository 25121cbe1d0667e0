"""The listener: C-ECHO and C-STORE as a provider, with a door that decides and sinks that take the bytes.

Connections are counted before anything is read, so a flood of half-open ones meets a wall; associations are
counted when they ask, so that one too many hears why (2/3/2) and comes again.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.transport import AddressInformation, AssociationServer, RequestHandler

from proxy.network.acceptor import Acceptor
from proxy.network.contexts import accepted_classes, supported_contexts
from proxy.network.door import (
    APPLICATION_CONTEXT_UNKNOWN,
    LOCAL_LIMIT_EXCEEDED,
    Caller,
    Door,
    HearsRefusals,
    Rejection,
)
from proxy.network.doorstep import Doorstep, Standing, caller_at
from proxy.network.implementation import entity
from proxy.network.inbox import Inbox, place
from proxy.network.quiet import hush
from proxy.network.seats import Seats
from proxy.network.sparing import Sparing
from proxy.network.tls import ServerTls, TlsFiles
from proxy.network.wire import Wire

hush()
logger = logging.getLogger(__name__)
sparing = Sparing(logger)

SHUTDOWN_POLL = 0.1
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1: the only one there is
NOT_DICOM = Rejection(*APPLICATION_CONTEXT_UNKNOWN, "The application context is not DICOM's.")
NO_DECISION = Rejection(2, 3, 1, "the decision who may come in failed.")


@dataclass(frozen=True, slots=True)
class ListenSettings:
    ae_title: str = "DICOMRCV"
    port: int = 11112
    bind: str = ""
    max_pdu: int = 16384
    acse_timeout: float = 30.0
    dimse_timeout: float = 60.0
    network_timeout: float = 60.0
    max_associations: int = 50
    accepted: tuple[str, ...] = ("default",)
    tls: TlsFiles | None = None


class Handler(RequestHandler):  # type: ignore[misc]
    """Builds the association for a connection, as pynetdicom does, but shares what every one has in common."""

    server: "Server"

    def __init__(self, connection: Any, address: Any, server: "Server", ticket: int) -> None:
        self._ticket = ticket
        super().__init__(connection, address, server)

    def handle(self) -> None:
        association = self._create_association()
        association.ticket = self._ticket
        self.server.remember(association)
        association.start()

    def _create_association(self) -> Acceptor:
        server = self.server
        association = Acceptor(server.ae, "acceptor")
        association._server = association.server = server
        association.name = f"AcceptorThread@{self.client_address[0]}:{self.client_address[1]}"
        association.set_socket(Wire(association, server.settings.network_timeout, client_socket=self.request))
        association.inbox = Inbox(association.open_message)
        local = association.acceptor
        local.maximum_length = server.ae.maximum_pdu_size
        local.ae_title = server.ae_title
        local.address_info = server.address_info
        local.implementation_class_uid = server.ae.implementation_class_uid
        local.implementation_version_name = server.ae.implementation_version_name
        association.requestor.address_info = AddressInformation.from_tuple(self.client_address)
        association.bind(evt.EVT_REQUESTED, association.requested)
        association.bind(evt.EVT_ACCEPTED, association.accepted)
        association.bind(evt.EVT_C_ECHO, association.echoed)
        return association


class Server(AssociationServer):  # type: ignore[misc]
    """Connections come from its own port, or are handed in by `take` where `is_bound` says that it has none."""

    request_queue_size = 128

    def __init__(self, *arguments: Any, rules: "Rules", is_bound: bool, **options: Any) -> None:
        self.settings, self.door = rules.settings, rules.door
        self._seats, self._doorstep = rules.seats, rules.doorstep
        self.tls = ServerTls(self.settings.tls) if self.settings.tls is not None else None
        self.accepted = frozenset(accepted_classes(self.settings.accepted))
        self._is_bound = is_bound
        self._open: set[Acceptor] = set()
        self._admitted: set[Acceptor] = set()
        self._counting = threading.Lock()
        super().__init__(*arguments, request_handler=Handler, **options)
        if not is_bound:
            self.socket.close()

    def server_bind(self) -> None:
        if self._is_bound:
            super().server_bind()

    def server_activate(self) -> None:
        if self._is_bound:
            super().server_activate()

    def get_request(self) -> tuple[Any, Any]:
        """Only accept: whatever a caller can make us wait for happens on its own thread."""
        connection, address = self.socket.accept()
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        ticket = self._doorstep.arrive(caller_at(client_address)[0])
        if ticket is None:
            self.shutdown_request(request)
        else:
            self.take(request, client_address, ticket)

    def take(self, connection: Any, address: Any, ticket: int) -> None:
        """Serve a connection that stands on the doorstep."""
        try:
            Handler(connection, caller_at(address), self, ticket)
        except BaseException:
            self._doorstep.gone(ticket)
            raise

    def service_actions(self) -> None:
        """pynetdicom collects garbage here; it has no reason to any more."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.error("A connection from %s could not be taken.", client_address[0])

    def remember(self, association: Acceptor) -> None:
        with self._counting:
            self._open.add(association)

    def forget(self, association: Acceptor) -> None:
        self._stand_up(association)
        with self._counting:
            known = association in self._open
            self._open.discard(association)
        if known:
            self._doorstep.gone(association.ticket)

    def _sit_down(self, association: Acceptor) -> bool:
        seated = self._seats.take()
        if seated:
            with self._counting:
                self._admitted.add(association)
        return seated

    def _stand_up(self, association: Acceptor) -> None:
        with self._counting:
            seated = association in self._admitted
            self._admitted.discard(association)
        if seated:
            self._seats.leave()

    def judge(self, association: Acceptor) -> Rejection | None:
        """The limit before the door; a door that fails lets nobody in."""
        if association.requestor.primitive.application_context_name != APPLICATION_CONTEXT:
            return NOT_DICOM
        if not self._sit_down(association):
            why = f"{self._seats.most} associations are open, as many as are allowed."
            return Rejection(*LOCAL_LIMIT_EXCEEDED, why)
        try:
            rejection = self.door.admit(association.caller)
        except Exception as error:
            logger.error("The door failed: %s.", place(error))
            rejection = NO_DECISION
        if rejection is not None:
            self._stand_up(association)
        else:
            self._doorstep.seated(association.ticket)
        return rejection

    def turned_away(self, caller: Caller, rejection: Rejection) -> None:
        sparing.warn(f"A caller at {caller.address} is refused: {rejection.why}")
        if isinstance(self.door, HearsRefusals):
            self.door.refused(caller, rejection)

    def hang_up(self) -> None:
        """Accept nobody any more."""
        if self._is_bound:
            self.ae._servers.append(self)  # which shutdown takes it from
            self.shutdown()

    def running(self) -> list[Acceptor]:
        with self._counting:
            return list(self._open)

    def admitted(self) -> int:
        with self._counting:
            return len(self._admitted)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the associations of one port have in common; listeners may share seats and doorstep."""

    settings: ListenSettings
    door: Door
    seats: Seats
    doorstep: Standing


class Listener:
    """One port, its own (`start`), or one that another process accepts for (`open` and `take`)."""

    def __init__(
        self,
        settings: ListenSettings,
        door: Door,
        seats: Seats | None = None,
        doorstep: Standing | None = None,
    ) -> None:
        most = settings.max_associations
        self.rules = Rules(settings, door, seats or Seats(most), doorstep or Doorstep(most))
        self._server: Server | None = None
        self._port = 0

    def start(self) -> None:
        """Raises OSError when the port is taken, ValueError when a class or a certificate cannot be used."""
        server = self._server = self._make(is_bound=True)
        self._port = int(server.server_address[1])
        threading.Thread(
            target=server.serve_forever, args=(SHUTDOWN_POLL,), name="listener", daemon=True
        ).start()

    def open(self) -> None:
        """Without a port. Raises ValueError when a class or a certificate cannot be used."""
        self._server = self._make(is_bound=False)

    def take(self, connection: socket.socket, address: Any, ticket: int) -> None:
        """Serve a connection that another process has accepted; a listener that stopped hangs up."""
        server = self._server
        if server is None:
            connection.close()
            self.rules.doorstep.gone(ticket)
        else:
            server.take(connection, address, ticket)

    def _make(self, *, is_bound: bool) -> Server:
        settings = self.rules.settings
        made: Server = _entity(settings).make_server(
            (settings.bind, settings.port),
            contexts=list(supported_contexts()),
            server_class=Server,
            rules=self.rules,
            is_bound=is_bound,
        )
        return made

    @property
    def port(self) -> int:
        return self._port

    def active(self) -> int:
        """How many associations are open."""
        return self._server.admitted() if self._server is not None else 0

    def stop(self, grace: float) -> None:
        """Accept nobody new, let the running associations finish for so long, then abort them."""
        server, self._server = self._server, None
        if server is None:
            return
        server.hang_up()
        _wait(lambda: not server.running(), grace)
        for association in server.running():
            association.ask_abort()
        _wait(lambda: not server.running(), 2.0)


def _entity(settings: ListenSettings) -> AE:
    ae = entity(settings.ae_title)
    ae.maximum_pdu_size = settings.max_pdu
    ae.acse_timeout, ae.dimse_timeout = settings.acse_timeout, settings.dimse_timeout
    ae.network_timeout = settings.network_timeout
    ae.maximum_associations = 1_000_000  # the server counts
    return ae


def _wait(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
