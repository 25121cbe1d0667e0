"""Which route a call takes and which node is calling: pure look-ups in a snapshot of the configuration.

AE titles are compared without the spaces around them (PS3.5 6.2 calls those non-significant), and with their
case. A retired row is not here at all. Nothing here decides by an absence: no route means no reception.
"""

import ipaddress
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError
from django.db.models import Exists, OuterRef

from proxy.routing.models import SITE, Destination, Node, Project, Route

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ECHO, STORE, FIND, RETRIEVE = "echo", "store", "find", "retrieve"
OPEN_TO_ALL = frozenset({ECHO, STORE})


@dataclass(frozen=True, slots=True)
class RouteFacts:
    id: int
    called_ae: str
    calling_ae: str
    project_id: int
    project_name: str
    recipe: str
    project_issuer: str
    destination_ids: tuple[int, ...]
    review: bool
    commit_when: str = Route.NEVER
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFacts:
    id: int
    name: str
    ae_title: str
    host: str
    port: int
    may: frozenset[str]
    view: str
    networks: tuple[Network, ...]
    certificate: str
    project_ids: frozenset[int]
    grant: Mapping[str, str] | None
    issuer: str
    outside: bool
    on_hold: str
    quirks: frozenset[str] = frozenset()
    commits: bool = False  # a destination of ours that tells us what it has committed
    is_sites: bool = True  # the site named it, not the backend

    def matches(self, calling_ae: str, address: str, certificate: str | None) -> bool:
        """Everything the site said about this node must hold for the caller."""
        if self.ae_title != plain(calling_ae):
            return False
        if self.certificate and self.certificate != certificate:
            return False
        return not self.networks or self.closeness(address) >= 0

    def closeness(self, address: str) -> int:
        """Length of the longest network that holds the address; -1 if none does."""
        where = parse_address(address)
        fitting = [n.prefixlen for n in self.networks if where is not None and where in n]
        return max(fitting, default=-1)


@dataclass(frozen=True, slots=True)
class Table:
    """The configuration at one moment. Look-ups cost a `dict` access and never touch the database."""

    routes: Mapping[tuple[str, str], RouteFacts] = field(default_factory=dict)
    nodes: Mapping[str, tuple[NodeFacts, ...]] = field(default_factory=dict)
    is_closed: bool = False  # the backend has set us inactive: nobody comes in
    is_private: bool = False  # the backend wants us private, whatever the settings say

    def answers_to(self, called_ae: str) -> bool:
        """Whether any route has this called AE; if none has, the association is rejected (1/1/7)."""
        return any(called == plain(called_ae) for called, _ in self.routes)

    def route_for(self, called_ae: str, calling_ae: str) -> RouteFacts | None:
        """The route of this call: the one that names the caller wins over the one for whoever calls."""
        called = plain(called_ae)
        return self.routes.get((called, plain(calling_ae))) or self.routes.get((called, ""))

    def node_for(self, calling_ae: str, address: str, certificate: str | None = None) -> NodeFacts | None:
        """The node that is calling: the one about which most is proven, if several share the AE title."""
        fitting = [
            node
            for node in self.nodes.get(plain(calling_ae), ())
            if node.matches(calling_ae, address, certificate)
        ]
        return max(fitting, key=lambda node: _proof(node, address), default=None)

    def may(self, node: NodeFacts | None, wish: str, *, public: bool) -> bool:
        """Whether this caller may do this. Public mode: everyone may echo and store."""
        if public and wish in OPEN_TO_ALL:
            return True
        return node is not None and (wish == ECHO or wish in node.may)


def _proof(node: NodeFacts, address: str) -> tuple[bool, bool, int, bool, int]:
    """What the site says of a caller, the backend cannot say better."""
    return (
        node.is_sites,
        bool(node.certificate),
        node.closeness(address),
        node.host == address,
        -node.id,
    )


def plain(ae_title: str) -> str:
    return ae_title.strip(" ")


def parse_address(text: str) -> Address | None:
    """An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d is that IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def build_table(routes: Iterable[RouteFacts], nodes: Iterable[NodeFacts]) -> Table:
    by_ae: dict[str, tuple[NodeFacts, ...]] = {}
    for node in nodes:
        by_ae[node.ae_title] = (*by_ae.get(node.ae_title, ()), node)
    return Table({(route.called_ae, route.calling_ae): route for route in routes}, by_ae)


def load_table() -> Table:
    """What is in force now. A route whose project is retired is not."""
    routes = Route.objects.filter(retired_at=None, project__retired_at=None).select_related("project")
    committing = Destination.objects.filter(node=OuterRef("pk"), commitment=True, retired_at=None)
    nodes = Node.objects.filter(retired_at=None).annotate(commits=Exists(committing)).order_by("pk")
    return build_table(
        [_route_facts(row) for row in routes.prefetch_related("destinations")],
        [_node_facts(row) for row in nodes.prefetch_related("projects")],
    )


def _route_facts(row: Route) -> RouteFacts:
    project: Project = row.project
    return RouteFacts(
        id=row.pk,
        called_ae=plain(row.called_ae),
        calling_ae=plain(row.calling_ae),
        project_id=project.pk,
        project_name=project.name,
        recipe=project.recipe,
        project_issuer=project.issuer,
        destination_ids=tuple(sorted(d.pk for d in row.destinations.all() if not d.is_retired)),
        review=row.review,
        commit_when=row.commit_when,
        exclude=tuple(row.exclude),
    )


def _node_facts(row: Any) -> NodeFacts:
    grant: dict[str, Any] | None = row.grant
    return NodeFacts(
        id=row.pk,
        name=row.name,
        ae_title=plain(row.ae_title),
        host=row.host,
        port=row.port,
        may=frozenset(row.may),
        view=row.view,
        networks=tuple(ipaddress.ip_network(text) for text in row.networks),
        certificate=row.certificate,
        project_ids=frozenset(project.pk for project in row.projects.all()),
        grant=dict(grant) if grant else None,
        issuer=row.issuer,
        outside=row.outside,
        on_hold=row.on_hold,
        quirks=frozenset(row.quirks),
        commits=row.commits,
        is_sites=row.origin == SITE,
    )


class SnapshotCache:
    """Gives the table of the last second, so that a changed configuration holds without a restart.

    When the database is away the last table stays: everything it allows needs the database too and will hear
    its own refusal, with the status that says so.
    """

    def __init__(self, load: Callable[[], Table] = load_table, lifetime: float = 1.0) -> None:
        self._load = load
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._table: Table | None = None
        self._loaded_at = float("-inf")

    def get(self, now: float) -> Table:
        """`now` is a monotonic clock's reading in seconds."""
        with self._lock:
            if self._table is None or now - self._loaded_at >= self._lifetime:
                self._table = self._reload()
                self._loaded_at = now
            return self._table

    def _reload(self) -> Table:
        try:
            return self._load()
        except DatabaseError:
            if self._table is None:
                raise
            return self._table
