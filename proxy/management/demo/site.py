"""What the demonstration adds to the site: a research project for PET, and a folder for each project."""

from dataclasses import replace
from typing import TypeVar

from proxy.routing.site import DestinationSpec, ProjectSpec, RouteSpec, Site

Named = TypeVar("Named", ProjectSpec, DestinationSpec, RouteSpec)

RESEARCH = ProjectSpec("research", recipe="research")
FOLDERS = (
    DestinationSpec("outbox", "folder", path="outbox"),
    DestinationSpec("research-outbox", "folder", path="outbox-research"),
)


def extended(site: Site, called_ae: str) -> Site:
    """The same site, with the demonstration's project, folder and route; twice is as once."""
    pet = RouteSpec(called_ae, "research", calling_ae="PET_EAST", destinations=("research-outbox",))
    return replace(
        site,
        projects=_with(site.projects, RESEARCH),
        destinations=_with(site.destinations, *FOLDERS),
        routes=_with(site.routes, pet),
    )


def _with(present: tuple[Named, ...], *wanted: Named) -> tuple[Named, ...]:
    names: set[str] = {one.name for one in present}
    return present + tuple(one for one in wanted if one.name not in names)
