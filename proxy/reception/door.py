"""Who may come in, and which way what he brings goes."""

import time
from dataclasses import dataclass

from django.conf import settings
from django.db import connections

from proxy.network.door import Caller, Rejection, Sink, StoreCommand
from proxy.reception.committer import Committer
from proxy.reception.sink import Receiving
from proxy.reception.storing import Commit, Written
from proxy.routing.match import ECHO, SnapshotCache, Table

PERMANENT, TRANSIENT = 1, 2
SERVICE_USER, ACSE, PRESENTATION = 1, 2, 3
CALLING_AE_UNKNOWN, CALLED_AE_UNKNOWN = 3, 7

UNKNOWN_CALLED = Rejection(PERMANENT, SERVICE_USER, CALLED_AE_UNKNOWN, "No route has this called AE title.")
UNKNOWN_CALLING = Rejection(
    PERMANENT, SERVICE_USER, CALLING_AE_UNKNOWN, "Private mode: no node has this AE title and address."
)
AWAY = Rejection(TRANSIENT, PRESENTATION, 1, "The database does not answer; the caller may try again.")


@dataclass(frozen=True, slots=True)
class Reception:
    """The listener's door (`network.door.Door`)."""

    committer: Committer[Commit, Written]
    cache: SnapshotCache

    def admit(self, caller: Caller) -> Rejection | None:
        try:
            table = self.cache.get(time.monotonic())
        except Exception:
            return AWAY
        return judge(table, caller, public=settings.DICOM_MODE == "public")

    def begin(self, caller: Caller, command: StoreCommand) -> Sink:
        table = self.cache.get(time.monotonic())
        route = table.route_for(caller.called_ae, caller.calling_ae)
        node = table.node_for(caller.calling_ae, caller.address, caller.certificate_subject)
        allowed = table.may(node, "store", public=settings.DICOM_MODE == "public")
        return Receiving(self.committer, route if allowed else None, node, command)

    def quirks(self, caller: Caller) -> frozenset[str]:
        node = self.cache.get(time.monotonic()).node_for(
            caller.calling_ae, caller.address, caller.certificate_subject
        )
        return node.quirks if node is not None else frozenset()

    def echoed(self, caller: Caller) -> None:
        """A C-ECHO leaves nothing behind."""

    def left(self) -> None:
        """Its thread had a connection to the database of its own."""
        connections.close_all()


def judge(table: Table, caller: Caller, *, public: bool) -> Rejection | None:
    if not table.answers_to(caller.called_ae):
        return UNKNOWN_CALLED
    node = table.node_for(caller.calling_ae, caller.address, caller.certificate_subject)
    if not table.may(node, ECHO, public=public):
        return UNKNOWN_CALLING
    return None if table.route_for(caller.called_ae, caller.calling_ae) else UNKNOWN_CALLING
