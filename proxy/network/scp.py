"""The listener: C-ECHO and C-STORE as a provider, with a door that decides and sinks that take the bytes."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from proxy.network import statuses
from proxy.network.contexts import accepted_classes, supported_contexts
from proxy.network.door import LOCAL_LIMIT_EXCEEDED, Caller, Door, HearsEchoes, Rejection, Reply, StoreCommand
from proxy.network.quiet import hush

hush()
logger = logging.getLogger(__name__)


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


class Listener:
    def __init__(self, settings: ListenSettings, door: Door) -> None:
        self._settings, self._door = settings, door
        self._server: Any = None
        self._stopped = False

    def start(self) -> None:
        settings = self._settings
        ae = AE(ae_title=settings.ae_title)
        ae.maximum_pdu_size = settings.max_pdu
        ae.acse_timeout, ae.dimse_timeout = settings.acse_timeout, settings.dimse_timeout
        ae.network_timeout = settings.network_timeout
        ae.maximum_associations = 1_000_000
        contexts = list(supported_contexts(accepted_classes(settings.accepted)))
        handlers = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, self._echo),
        ]
        self._server = ae.make_server(
            (settings.bind, settings.port),
            contexts=contexts,
            evt_handlers=handlers,
            server_class=ThreadedAssociationServer,
        )
        ae._servers.append(self._server)
        threading.Thread(target=self._server.serve_forever, name="listener", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def active(self) -> int:
        return len(self._server.active_associations)

    def stop(self, grace: float) -> None:
        """Accept nobody new, let the running associations finish for so long, then abort them."""
        if self._stopped:
            return
        self._stopped = True
        associations = list(self._server.active_associations)
        self._server.shutdown()
        deadline = time.monotonic() + grace
        while any(one.is_alive() for one in associations) and time.monotonic() < deadline:
            time.sleep(0.01)
        for one in associations:
            if one.is_alive():
                one.abort()

    def _requested(self, event: Any) -> None:
        caller = _caller(event.assoc)
        rejection = self._judge(caller)
        if rejection is None:
            return
        logger.warning("Association from %s refused: %s", caller.address, rejection.why)
        event.assoc.acse.send_reject(rejection.result, rejection.source, rejection.reason)
        event.assoc.kill()

    def _judge(self, caller: Caller) -> Rejection | None:
        if self.active() > self._settings.max_associations:
            return Rejection(*LOCAL_LIMIT_EXCEEDED, why="as many associations are open as are allowed.")
        return self._door.admit(caller)

    def _store(self, event: Any) -> Any:
        try:
            reply = self._stored(event)
        except Exception as error:
            logger.error("A sink failed: %s.", type(error).__name__)
            return statuses.PROCESSING_FAILURE
        answer = Dataset()
        answer.Status, answer.ErrorComment = reply.status, reply.comment
        return answer

    def _stored(self, event: Any) -> Reply:
        request = event.request
        command = StoreCommand(
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
            request.MessageID,
            request.MoveOriginatorApplicationEntityTitle or None,
            request.MoveOriginatorMessageID,
        )
        sink = self._door.begin(_caller(event.assoc), command)
        try:
            sink.feed(request.DataSet.getbuffer())
            return sink.finish()
        except Exception:
            sink.abort()
            raise

    def _echo(self, event: Any) -> int:
        if isinstance(self._door, HearsEchoes):
            self._door.echoed(_caller(event.assoc))
        return statuses.SUCCESS


def _caller(association: Any) -> Caller:
    request = association.requestor.primitive
    info = association.requestor.address_info
    return Caller(request.called_ae_title.strip(), request.calling_ae_title.strip(), info.address, info.port)
