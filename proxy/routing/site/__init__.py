"""The site file: one schema for `configure`, the admin and the export."""

from proxy.routing.site.first import ensure_first_site
from proxy.routing.site.keeping import Change, Changes, apply
from proxy.routing.site.lines import SiteError
from proxy.routing.site.reading import read
from proxy.routing.site.specs import DestinationSpec, GrantSpec, NodeSpec, ProjectSpec, RouteSpec, Site
from proxy.routing.site.writing import export, load_site

__all__ = [
    "Change",
    "Changes",
    "DestinationSpec",
    "GrantSpec",
    "NodeSpec",
    "ProjectSpec",
    "RouteSpec",
    "Site",
    "SiteError",
    "apply",
    "ensure_first_site",
    "export",
    "load_site",
    "read",
]
