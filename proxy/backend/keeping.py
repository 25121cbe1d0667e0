"""Keep what the backend said, and make its nodes so.

It may tighten, never loosen. A node at the place of one of the site's is that node, with the rights that the site gave
it. Any other node is made for it, sees nobody's identity, and asks from its own address only; what a person gives it
later stays as long as its place does, and ends when the backend moves it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network

from django.db import transaction

from proxy.backend.configuration import PRIVATE, Configuration, ToldNode
from proxy.backend.models import BackendNode, Standing
from proxy.backend.reading import Reading
from proxy.backend.remembered import last_known
from proxy.routing.audited import tell
from proxy.routing.models import BACKEND, BACKEND_PREFIX, SITE, Node
from proxy.routing.site import values
from proxy.routing.site.keeping import Changes, apply, one_at_a_time
from proxy.routing.site.specs import DestinationSpec, NodeSpec, Site
from proxy.routing.site.writing import node_spec

ACTOR = "backend"
MAY = ("find", "retrieve")
PLATFORM = f"{BACKEND_PREFIX}platform"
OURSELVES = NodeSpec(
    PLATFORM, "BACKEND", "backend.invalid", 104, networks=("255.255.255.255/32",), outside=True
)
"""As whom the backend's results come home. Nobody can call from that network."""


@dataclass(frozen=True, slots=True)
class Known:
    """What stands of a node of the backend before it speaks: the spec it has, if it is in force or was."""

    spec: NodeSpec | None = None
    is_barred: bool = False


def keep(reading: Reading, now: datetime) -> Changes:
    """In one transaction: what was said, the nodes, their destinations. The audit hears of changes alone."""
    with transaction.atomic():
        one_at_a_time()
        switched = _switched(standing(), reading.configuration)
        _store(reading, now)
        changes = _make_so(reading.configuration, now)
        if switched:
            tell(ACTOR, switched, "backend")
    return changes


def _switched(before: Standing, said: Configuration) -> list[str]:
    """What concerns the whole house, as sentences for the audit."""
    was = (before.is_active, before.is_private, before.anonymize)
    now = (said.is_active, said.mode == PRIVATE, said.anonymize)
    words = (
        ("this proxy is active", "this proxy is inactive: associations are refused"),
        ("only nodes may come in", "whoever the settings let in may come in"),
        ("it wants pseudonymization on", "it wants pseudonymization off"),
    )
    return [yes if new else no for old, new, (yes, no) in zip(was, now, words, strict=True) if old != new]


def standing() -> Standing:
    return Standing.objects.get_or_create(pk=1)[0]


def _store(reading: Reading, now: datetime) -> None:
    said = reading.configuration
    standing()
    Standing.objects.filter(pk=1).update(
        state=Standing.KNOWN,
        reason="",
        asked_at=now,
        known_at=now,
        said=said.as_json(),
        refused=[[one.field, one.reason] for one in reading.refused],
        unknown=list(reading.unknown),
        workspace=said.workspace_id,
        is_active=said.is_active,
        is_private=said.mode == PRIVATE,
        anonymize=said.anonymize,
    )


def make_so_again(now: datetime) -> Changes:
    """After a person decided about one of its nodes, or the site changed: what it said last, applied anew."""
    with transaction.atomic():
        one_at_a_time()
        return _make_so(last_known(), now)


def _make_so(said: Configuration, now: datetime) -> Changes:
    rows = {row.backend_id: row for row in BackendNode.objects.select_related("node")}
    known = {node.id: _known(rows.get(node.id)) for node in said.nodes}
    ours = {(node.ae_title, node.host, node.port): node.name for node in _of_the_site()}
    names = {node.id: ours.get(node.place) or _name(node, known[node.id], said.nodes) for node in said.nodes}
    changes = apply(wanted(said, known, ours, names), ACTOR, now=now, origin=BACKEND)
    for node in said.nodes:
        _remember(node, rows.get(node.id), names[node.id], known[node.id].is_barred)
    BackendNode.objects.exclude(backend_id__in=known).update(is_active=False)
    return changes


def wanted(
    said: Configuration,
    known: Mapping[str, Known],
    ours: Mapping[tuple[str, str, int], str],
    names: Mapping[str, str],
) -> Site:
    """The nodes and destinations that the backend's word makes. `ours`: the site's own nodes by their place."""
    live = [node for node in said.nodes if node.is_active and not known[node.id].is_barred]
    nodes = [spec(node, names[node.id], known[node.id].spec) for node in live if node.place not in ours]
    writing = [node for node in live if node.writes]
    sent = [
        DestinationSpec(destination_name(names[one.id], one.id), "dimse", names[one.id]) for one in writing
    ]
    return Site(nodes=(OURSELVES, *nodes), destinations=tuple(sent))


def spec(told: ToldNode, name: str, before: NodeSpec | None) -> NodeSpec:
    """What persons gave it stays while its place does; a right to ask needs something that proves who asks."""
    fresh = NodeSpec(name, told.ae_title, told.host, told.port, networks=_own_network(told.host))
    is_there = before is not None and (before.ae_title, before.host, before.port) == told.place
    kept = before if before is not None and is_there else fresh
    proven = bool(kept.networks or kept.certificate)
    return replace(kept, name=name, may=MAY if told.reads and proven else ())


def destination_name(node: str, told_id: str) -> str:
    """Of a node of the backend its name; to a node of the site, where the site has destinations of its own, another."""
    if node.startswith(BACKEND_PREFIX):
        return node
    plain = f"{BACKEND_PREFIX}{node}"
    return plain if len(plain) <= 64 else f"{BACKEND_PREFIX}{told_id}"[:64]


def _own_network(host: str) -> tuple[str, ...]:
    return (str(ip_network(host)),) if values.is_address(host) and "%" not in host else ()


def _known(row: BackendNode | None) -> Known:
    if row is None:
        return Known()
    own = row.node if row.node is not None and row.node.origin == BACKEND else None
    return Known(node_spec(own) if own else None, row.barred_at is not None)


def _of_the_site() -> Iterable[Node]:
    return Node.objects.filter(origin=SITE, retired_at=None).order_by("-pk")


def _name(told: ToldNode, known: Known, all_told: Iterable[ToldNode]) -> str:
    """Its name with us is given once: ledger and audit know it by that."""
    if known.spec is not None:
        return known.spec.name
    plain = f"{BACKEND_PREFIX}{told.name}"
    twins = sum(one.name == told.name for one in all_told) > 1
    if twins or plain == PLATFORM or len(plain) > 64 or Node.objects.filter(name=plain).exists():
        return f"{BACKEND_PREFIX}{told.id}"[:64]
    return plain


def _remember(told: ToldNode, before: BackendNode | None, name: str, is_barred: bool) -> None:
    node = Node.objects.filter(name=name).first()
    live = told.is_active and not is_barred
    columns = {
        "name": told.name,
        "node": node,
        "reads": told.reads,
        "writes": told.writes,
        "is_active": live,
    }
    row, _ = BackendNode.objects.update_or_create(backend_id=told.id, defaults=columns)
    if before is not None and (before.node_id != row.node_id or _was_moved(before, told)):
        BackendNode.objects.filter(pk=row.pk).update(
            confirmed_at=None, confirmed_by="", is_reachable=None, checked_at=None
        )


def _was_moved(before: BackendNode, told: ToldNode) -> bool:
    """`before.node` was read before the change."""
    node = before.node
    return node is not None and (node.ae_title, node.host, node.port) != told.place
