"""Write the configuration back as a site file: what is in force, a line for each object."""

from dataclasses import asdict, fields
from typing import Any

import yaml

from proxy.routing.models import SITE, Destination, Node, Project, Route
from proxy.routing.site.schema import LIMITS, LINE, LOGIN, SECTIONS
from proxy.routing.site.specs import DestinationSpec, GrantSpec, NodeSpec, ProjectSpec, RouteSpec, Site


def export() -> str:
    return dump(load_site())


def dump(site: Site) -> str:
    return "".join(_section(name, getattr(site, name)) for name in SECTIONS)


def _section(name: str, specs: tuple[Any, ...]) -> str:
    if not specs:
        return f"{name}: []\n"
    return f"{name}:\n" + "".join(f"  - {_flow(_said(spec))}\n" for spec in specs)


def _said(spec: Any) -> dict[str, Any]:
    """What differs from the default, and what has none."""
    whole = asdict(spec)
    said = {one.name: whole[one.name] for one in fields(spec) if whole[one.name] != one.default}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def _flow(value: dict[str, Any]) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return str(text).strip()


def load_site() -> Site:
    """What is in force in the database; what the backend has made is no part of the site."""
    standing: dict[str, Any] = {"retired_at": None}
    ours = standing | {"origin": SITE}
    routes = Route.objects.filter(**standing).select_related("project", "ask_counts")
    return Site(
        tuple(project_spec(row) for row in Project.objects.filter(**standing)),
        tuple(node_spec(row) for row in Node.objects.filter(**ours).prefetch_related("projects")),
        tuple(destination_spec(row) for row in Destination.objects.filter(**ours).select_related("node")),
        tuple(route_spec(row) for row in routes.prefetch_related("destinations")),
    ).in_order()


def project_spec(row: Project) -> ProjectSpec:
    return ProjectSpec(row.name, row.recipe, row.issuer, row.second_approver)


def node_spec(row: Node) -> NodeSpec:
    same = ("name", "ae_title", "host", "port", "view", "certificate", "issuer", "outside", "on_hold", "tls")
    return NodeSpec(
        **{name: getattr(row, name) for name in same},
        may=tuple(sorted(row.may)),
        networks=tuple(sorted(row.networks)),
        projects=tuple(sorted(one.name for one in row.projects.all() if not one.is_retired)),
        quirks=tuple(sorted(row.quirks)),
        grant=GrantSpec(**row.grant) if row.grant else None,
    )


def destination_spec(row: Destination) -> DestinationSpec:
    node = row.node.name if row.node else ""
    same = {name: getattr(row, name) for name in ("template", "url", *LOGIN, *LINE, *LIMITS)}
    same |= {"windows": tuple(sorted(row.windows))}
    return DestinationSpec(
        row.name, row.kind, node, row.path, row.as_zip, row.associations, row.commitment, **same
    )


def route_spec(row: Route) -> RouteSpec:
    names = tuple(sorted(one.name for one in row.destinations.all() if not one.is_retired))
    return RouteSpec(
        called_ae=row.called_ae,
        project=row.project.name,
        calling_ae=row.calling_ae,
        destinations=names,
        review=row.review,
        commit_when=row.commit_when,
        ask_counts=row.ask_counts.name if row.ask_counts else "",
        priority=row.priority,
        exclude=tuple(sorted(row.exclude)),
    )
