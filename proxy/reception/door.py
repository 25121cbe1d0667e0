"""Who may come in, and which way what he brings goes."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings
from django.db import connections

from proxy.network.asking import Asked, Report, Result
from proxy.network.door import NOT_ASKED, Caller, Rejection, Sink, StoreCommand
from proxy.network.finding import Match, Query, Refused
from proxy.network.giving import Selection, Wish
from proxy.reception.committer import Committer
from proxy.reception.results import BringsHome
from proxy.reception.sink import Receiving
from proxy.reception.storing import Commit, Written
from proxy.routing.match import ECHO, NodeFacts, SnapshotCache, Table, plain
from proxy.routing.models import Route
from proxy.routing.refusals import Refusals

PERMANENT, TRANSIENT = 1, 2
SERVICE_USER, ACSE, PRESENTATION = 1, 2, 3
NOT_AUTHORISED = 0x0124
NO_REASON, CALLING_AE_UNKNOWN, CALLED_AE_UNKNOWN = 1, 3, 7

UNKNOWN_CALLED = Rejection(PERMANENT, SERVICE_USER, CALLED_AE_UNKNOWN, "No route has this called AE title.")
UNKNOWN_CALLING = Rejection(
    PERMANENT, SERVICE_USER, CALLING_AE_UNKNOWN, "Private mode: no node has this AE title and address."
)
NOT_A_NODE = Rejection(
    *NOT_ASKED, "It proposed to query or retrieve, and is no node: the service is not offered."
)
INACTIVE = Rejection(TRANSIENT, SERVICE_USER, NO_REASON, "The backend has set this proxy inactive.")
AWAY = Rejection(TRANSIENT, PRESENTATION, 1, "The database does not answer; the caller may try again.")


class AnswersForImages(Protocol):
    """Keeps requests for storage commitment, and knows what became of the images."""

    def asked(self, node_id: int, asked: Asked) -> int: ...

    def due_on_association(self, node_id: int) -> Result | None: ...

    def told(self, result: Result, heard: bool) -> None: ...


class SelectsImages(Protocol):
    """Knows which stored images a node may have, and what it means by its keys."""

    def admits(self, node: NodeFacts) -> bool:
        """A no leaves a mark."""
        ...

    def selected(self, node: NodeFacts, called: Sequence[NodeFacts], wish: Wish) -> Selection | int: ...


class HearsResults(Protocol):
    """Keeps what a destination tells of images that we brought there."""

    def heard(self, node_id: int, report: Report) -> int: ...


class AnswersNodes(Protocol):
    """Knows what is here, and what of it a node may see."""

    def admits(self, node: NodeFacts) -> bool: ...

    def answers(
        self, node: NodeFacts | None, called_ae: str, query: Query
    ) -> Generator[Match | Refused | None, None, None]: ...


@dataclass(frozen=True, slots=True)
class Reception:
    """The listener's door (`network.door.Door`)."""

    committer: Committer[Commit, Written]
    cache: SnapshotCache
    commitments: AnswersForImages
    results: HearsResults
    images: SelectsImages
    refusals: Refusals
    brings_home: BringsHome
    queries: AnswersNodes

    def admit(self, caller: Caller) -> Rejection | None:
        try:
            table = self.cache.get(time.monotonic())
        except Exception:
            return AWAY
        if table.is_closed:
            return INACTIVE
        return judge(table, caller, public=_is_public(table), ours=settings.DICOM_AE_TITLE)

    def begin(self, caller: Caller, command: StoreCommand) -> Sink:
        table = self.cache.get(time.monotonic())
        route = table.route_for(caller.called_ae, caller.calling_ae)
        node = table.node_for(caller.calling_ae, caller.address, caller.certificate_subject)
        allowed = table.may(node, "store", public=_is_public(table))
        return Receiving(self.committer, route if allowed else None, node, command, self.brings_home)

    def quirks(self, caller: Caller) -> frozenset[str]:
        node = self._node(caller)
        return node.quirks if node is not None else frozenset()

    def _node(self, caller: Caller) -> NodeFacts | None:
        table = self.cache.get(time.monotonic())
        return table.node_for(caller.calling_ae, caller.address, caller.certificate_subject)

    def may_commit(self, caller: Caller) -> bool:
        """Only a node may ask: whoever else calls, we could not tell which images are theirs."""
        node = self._node(caller)
        route = self.cache.get(time.monotonic()).route_for(caller.called_ae, caller.calling_ae)
        offered = route is not None and route.commit_when != Route.NEVER
        return offered and node is not None and "store" in node.may

    def commitment_asked(self, caller: Caller, asked: Asked) -> int:
        node = self._node(caller)
        return NOT_AUTHORISED if node is None else self.commitments.asked(node.id, asked)

    def commitment_due(self, caller: Caller) -> Result | None:
        node = self._node(caller)
        return None if node is None else self.commitments.due_on_association(node.id)

    def commitment_told(self, result: Result, heard: bool) -> None:
        self.commitments.told(result, heard)

    def may_report(self, caller: Caller) -> bool:
        node = self._node(caller)
        return node is not None and node.commits

    def commitment_heard(self, caller: Caller, report: Report) -> int:
        node = self._node(caller)
        return NOT_AUTHORISED if node is None else self.results.heard(node.id, report)

    def may_retrieve(self, caller: Caller) -> bool:
        node = self._node(caller)
        if node is None:
            self.refusals.note(caller, NOT_A_NODE)
            return False
        return self.images.admits(node)

    def selected(self, caller: Caller, wish: Wish) -> Selection | int:
        """The nodes that have the AE title of a C-MOVE's destination are those it may mean."""
        node = self._node(caller)
        if node is None:
            return NOT_AUTHORISED
        table = self.cache.get(time.monotonic())
        return self.images.selected(node, table.nodes.get(plain(wish.to or ""), ()), wish)

    def may_query(self, caller: Caller) -> bool:
        node = self._node(caller)
        if node is None:
            self.refusals.note(caller, NOT_A_NODE)
            return False
        return self.queries.admits(node)

    def query(self, caller: Caller, query: Query) -> Generator[Match | Refused | None, None, None]:
        return self.queries.answers(self._node(caller), caller.called_ae, query)

    def refused(self, caller: Caller, rejection: Rejection) -> None:
        self.refusals.note(caller, rejection)

    def echoed(self, caller: Caller) -> None:
        """A C-ECHO leaves nothing behind."""

    def left(self) -> None:
        """Its thread had a connection to the database of its own."""
        connections.close_all()


def _is_public(table: Table) -> bool:
    """Both must say so: the site's own settings, and the backend if there is one."""
    return settings.DICOM_MODE == "public" and not table.is_private


def judge(table: Table, caller: Caller, *, public: bool, ours: str = "") -> Rejection | None:
    """A destination that commits may always call back the AE title that called it."""
    if ours == plain(caller.called_ae) and _commits(table, caller):
        return None
    if not table.answers_to(caller.called_ae):
        return UNKNOWN_CALLED
    node = table.node_for(caller.calling_ae, caller.address, caller.certificate_subject)
    if not table.may(node, ECHO, public=public):
        return UNKNOWN_CALLING
    return None if table.route_for(caller.called_ae, caller.calling_ae) else UNKNOWN_CALLING


def _commits(table: Table, caller: Caller) -> bool:
    node = table.node_for(caller.calling_ae, caller.address, caller.certificate_subject)
    return node is not None and node.commits
