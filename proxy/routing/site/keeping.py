"""Make the database say what the site says: in one transaction, idempotent, and never deleting.

What the site no longer names is retired, because studies and the ledger point at it for years; a name that
comes back is reinstated. Who changed what is audited, and only if something changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from proxy.routing.audited import tell
from proxy.routing.models import CUSTOMER_PREFIX, SITE, Destination, Node, Project, Route
from proxy.routing.site.schema import LIMITS, LINE, LOGIN
from proxy.routing.site.specs import DestinationSpec, NodeSpec, ProjectSpec, RouteSpec, Site

Row = TypeVar("Row", Project, Node, Destination, Route)

PACS, BACKEND = "PACS", "backend"
ONE_AT_A_TIME = 0x506F7374  # "Post": the advisory lock of everybody who changes the configuration


@dataclass(frozen=True, slots=True)
class Change:
    event: str  # created, updated, reinstated, retired
    kind: str
    name: str
    fields: tuple[str, ...] = ()

    def about(self, row: models.Model) -> bool:
        return (self.kind, self.name) == (row._meta.model_name, str(row))

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.event}" + (
            f": {', '.join(self.fields)}" if self.fields else ""
        )


@dataclass(frozen=True, slots=True)
class Changes:
    all: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.all)

    def sentences(self) -> list[str]:
        return [str(change) for change in self.all]


def apply(
    site: Site, actor: str, *, dry_run: bool = False, now: datetime | None = None, origin: str = SITE
) -> Changes:
    """Make `site` true. With `dry_run` it only says what would change.

    What another origin has made stays as it is: the site file and the backend do not retire each other's nodes.
    """
    with transaction.atomic():
        one_at_a_time()
        keeper = _Keeper(now or timezone.now(), origin)
        changes = keeper.keep(with_backend(with_pacs(site))) if origin == SITE else keeper.keep_nodes(site)
        if dry_run:
            transaction.set_rollback(True)
        elif changes:
            tell(actor, changes.sentences())
    return changes


def one_at_a_time() -> None:
    """Two processes that configure at once take turns. SQLite's transactions are such turns already."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])


def with_pacs(site: Site) -> Site:
    """The site with the PACS of DICOM_PACS_HOST, PORT and AE_TITLE (H02-H04), if they are set.

    Where it is, the settings say; the rest a site file may say about a node called PACS.
    """
    if not settings.DICOM_PACS_HOST:
        return site
    address: dict[str, Any] = {
        "host": settings.DICOM_PACS_HOST,
        "port": settings.DICOM_PACS_PORT,
        "ae_title": settings.DICOM_PACS_AE_TITLE or PACS,
    }
    named = [node for node in site.nodes if node.name == PACS]
    pacs = replace(named[0], **address) if named else NodeSpec(PACS, may=("find", "retrieve"), **address)
    nodes = (*(node for node in site.nodes if node.name != PACS), pacs)
    if any(one.name == PACS for one in site.destinations):
        return replace(site, nodes=nodes)
    return replace(site, nodes=nodes, destinations=(*site.destinations, DestinationSpec(PACS, "dimse", PACS)))


def with_backend(site: Site) -> Site:
    """The site with a destination for the backend of ITH_URL and ITH_TOKEN (P10), if they are set and it has none."""
    names = {one.name for one in site.destinations}
    if not (settings.ITH_URL and settings.ITH_TOKEN) or BACKEND in names:
        return site
    if any(one.kind == Destination.BACKEND for one in site.destinations):
        return site
    return replace(site, destinations=(*site.destinations, DestinationSpec(BACKEND, Destination.BACKEND)))


@dataclass(slots=True)
class _Keeper:
    """Keeps each row as its spec says, and remembers what that took."""

    now: datetime
    origin: str
    changes: list[Change] = field(default_factory=list)

    def keep_nodes(self, site: Site) -> Changes:
        """For an origin that has nodes and destinations only; it may name projects and nodes of the site."""
        projects = {row.name: row for row in Project.objects.filter(retired_at=None)}
        nodes = {row.name: row for row in Node.objects.filter(retired_at=None, origin=SITE)}
        made = {spec.name: self._node(spec, projects) for spec in site.nodes}
        sent = [self._destination(spec, nodes | made) for spec in site.destinations]
        self._retire(Destination, sent)
        self._retire(Node, made.values())
        return Changes(tuple(self.changes))

    def keep(self, site: Site) -> Changes:
        projects = {spec.name: self._project(spec) for spec in site.projects}
        nodes = {spec.name: self._node(spec, projects) for spec in site.nodes}
        destinations = {spec.name: self._destination(spec, nodes) for spec in site.destinations}
        routes = {spec.name: self._route(spec, projects, nodes, destinations) for spec in site.routes}
        self._retire(Route, routes.values())
        self._retire(Destination, destinations.values())
        self._retire(Node, nodes.values())
        self._retire(Project, projects.values())
        return Changes(tuple(self.changes))

    def _project(self, spec: ProjectSpec) -> Project:
        same = ("recipe", "issuer", "second_approver")
        return self._row(
            Project, spec.name, {"name": spec.name}, {name: getattr(spec, name) for name in same}
        )

    def _node(self, spec: NodeSpec, projects: Mapping[str, Project]) -> Node:
        same = ("ae_title", "host", "port", "view", "certificate", "issuer", "outside", "on_hold", "tls")
        columns: dict[str, Any] = {name: getattr(spec, name) for name in same}
        columns |= {"may": list(spec.may), "networks": list(spec.networks), "quirks": list(spec.quirks)}
        columns |= {"grant": dict(spec.grant.as_json()) if spec.grant else None}
        row = self._row(Node, spec.name, {"name": spec.name, "origin": self.origin}, columns)
        self._many(row, "projects", [projects[name] for name in spec.projects])
        return row

    def _destination(self, spec: DestinationSpec, nodes: Mapping[str, Node]) -> Destination:
        node = nodes[spec.node] if spec.node else None
        columns: dict[str, Any] = {"kind": spec.kind, "node": node, "path": spec.path, "as_zip": spec.zip}
        columns |= {"associations": spec.associations, "commitment": spec.commitment}
        columns |= {name: getattr(spec, name) for name in ("template", "url", *LOGIN, *LINE, *LIMITS)}
        columns |= {"windows": list(spec.windows)}
        return self._row(Destination, spec.name, {"name": spec.name, "origin": self.origin}, columns)

    def _route(
        self,
        spec: RouteSpec,
        projects: Mapping[str, Project],
        nodes: Mapping[str, Node],
        destinations: Mapping[str, Destination],
    ) -> Route:
        key = {"called_ae": spec.called_ae, "calling_ae": spec.calling_ae}
        columns: dict[str, Any] = {"project": projects[spec.project], "review": spec.review}
        columns |= {"commit_when": spec.commit_when, "priority": spec.priority}
        columns |= {"exclude": list(spec.exclude)}
        columns |= {"ask_counts": nodes[spec.ask_counts] if spec.ask_counts else None}
        row = self._row(Route, spec.name, key, columns)
        self._many(row, "destinations", [destinations[name] for name in spec.destinations])
        return row

    def _row(self, model: type[Row], name: str, key: Mapping[str, Any], columns: Mapping[str, Any]) -> Row:
        row = model._default_manager.filter(**key).first()
        if row is None:
            self._note("created", model, name)
            return model._default_manager.create(**key, **columns)
        differing = tuple(one for one, value in columns.items() if getattr(row, one) != value)
        if row.is_retired or differing:
            self._note("reinstated" if row.is_retired else "updated", model, name, differing)
            model._default_manager.filter(pk=row.pk).update(retired_at=None, **columns)
            row.refresh_from_db()
        return row

    def _many(self, row: Node | Route, name: str, wanted: list[Any]) -> None:
        related = getattr(row, name)
        if {one.pk for one in related.all()} == {one.pk for one in wanted}:
            return
        related.set(wanted)
        if not any(change.about(row) for change in self.changes):
            self._note("updated", type(row), str(row), (name,))

    def _retire(self, model: type[Row], kept: Iterable[Row]) -> None:
        mine = {"origin": self.origin} if model in {Node, Destination} else {}
        kept_ids = [row.pk for row in kept]
        if model is Project:
            kept_ids += Project.objects.filter(name__startswith=CUSTOMER_PREFIX).values_list("pk", flat=True)
        others = model._default_manager.filter(retired_at=None, **mine).exclude(pk__in=kept_ids)
        for name in sorted(str(row) for row in others):
            self._note("retired", model, name)
        others.update(retired_at=self.now)

    def _note(self, event: str, model: type[Any], name: str, fields: tuple[str, ...] = ()) -> None:
        self.changes.append(Change(event, model._meta.model_name, name, fields))
