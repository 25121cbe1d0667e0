"""What a site file says, as values. Lists are kept sorted, so that equal means equal."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    name: str
    recipe: str = "basic"
    issuer: str = ""
    second_approver: bool = False


@dataclass(frozen=True, slots=True)
class GrantSpec:
    """The standing permission of an identified view: DIMSE has no field for a purpose."""

    purpose: str
    until: str

    def as_json(self) -> Mapping[str, str]:
        return {"purpose": self.purpose, "until": self.until}


@dataclass(frozen=True, slots=True)
class NodeSpec:
    name: str
    ae_title: str
    host: str
    port: int
    may: tuple[str, ...] = ()
    view: str = "pseudonymous"
    networks: tuple[str, ...] = ()
    certificate: str = ""
    projects: tuple[str, ...] = ()
    grant: GrantSpec | None = None
    issuer: str = ""
    outside: bool = False
    on_hold: str = "success"
    tls: str = "off"
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    name: str
    kind: str
    node: str = ""
    path: str = ""
    zip: bool = False
    associations: int = 1
    commitment: bool = False
    template: str = ""
    url: str = ""
    auth: str = "none"
    secret: str = ""
    header: str = "X-API-Key"
    user: str = ""
    token_url: str = ""
    scope: str = ""
    authorities: str = ""
    certificate: str = ""
    key: str = ""
    insecure: bool = False
    at_once: int = 0
    images_per_minute: int = 0
    megabytes_per_minute: int = 0
    windows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteSpec:
    called_ae: str
    project: str
    calling_ae: str = ""
    destinations: tuple[str, ...] = ()
    review: bool = False
    commit_when: str = "never"
    ask_counts: str = ""
    priority: str = "routine"
    exclude: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.calling_ae or '*'} → {self.called_ae}"


@dataclass(frozen=True, slots=True)
class Site:
    projects: tuple[ProjectSpec, ...] = ()
    nodes: tuple[NodeSpec, ...] = ()
    destinations: tuple[DestinationSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()

    def in_order(self) -> "Site":
        """The same site with its objects by name: two files that differ in order alone are equal."""
        return Site(
            tuple(sorted(self.projects, key=lambda one: one.name)),
            tuple(sorted(self.nodes, key=lambda one: one.name)),
            tuple(sorted(self.destinations, key=lambda one: one.name)),
            tuple(sorted(self.routes, key=lambda one: (one.called_ae, one.calling_ae))),
        )
