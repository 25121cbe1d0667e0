"""What the demonstration adds to the site: a research project for PET, folders, and routes for its scanners alone."""

from dataclasses import replace
from typing import TypeVar

from proxy.routing.site import DestinationSpec, ProjectSpec, RouteSpec, Site

Named = TypeVar("Named", ProjectSpec, DestinationSpec, RouteSpec)

PROJECTS = (ProjectSpec("default"), ProjectSpec("research", recipe="research"))
FOLDERS = (
    DestinationSpec("outbox", "folder", path="outbox"),
    DestinationSpec("research-outbox", "folder", path="outbox-research"),
)
BACKEND = DestinationSpec("demo-backend", "backend")
SCANNERS = {
    "CT_EAST": ("default", "outbox"),
    "MR_EAST": ("default", "outbox"),
    "PET_EAST": ("research", "research-outbox"),
}


def routes(called_ae: str) -> tuple[RouteSpec, ...]:
    return tuple(
        RouteSpec(called_ae, project, calling_ae=scanner, destinations=(folder,))
        for scanner, (project, folder) in SCANNERS.items()
    )


def extended(site: Site, called_ae: str, *, backend: bool) -> Site:
    """The same site, with what the demonstration needs; twice is as once. `backend`: its scanners go there, too."""
    ours = {route.name for route in routes(called_ae)}
    whole = replace(
        site,
        projects=_with(site.projects, *PROJECTS),
        destinations=_with(site.destinations, *FOLDERS),
        routes=_with(site.routes, *routes(called_ae)),
    )
    if not backend:
        return whole
    bound = tuple(_also(route) if route.name in ours else route for route in whole.routes)
    return replace(whole, destinations=_with(whole.destinations, BACKEND), routes=bound)


def withdrawn(site: Site) -> Site:
    """Without its backend, which ends with the demonstration: nothing is to wait for it afterwards."""
    kept = tuple(one for one in site.destinations if one.name != BACKEND.name)
    return replace(site, destinations=kept, routes=tuple(map(_no_longer, site.routes)))


def _also(route: RouteSpec) -> RouteSpec:
    return replace(route, destinations=tuple(sorted({*route.destinations, BACKEND.name})))


def _no_longer(route: RouteSpec) -> RouteSpec:
    return replace(route, destinations=tuple(one for one in route.destinations if one != BACKEND.name))


def _with(present: tuple[Named, ...], *wanted: Named) -> tuple[Named, ...]:
    names: set[str] = {one.name for one in present}
    return present + tuple(one for one in wanted if one.name not in names)
