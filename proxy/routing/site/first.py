"""The first start: a house that nobody has configured takes images from DICOM_AE_TITLE into a folder.

Every process calls this at its start; whoever comes second finds everything done.
"""

from dataclasses import replace

from django.conf import settings
from django.db import transaction

from proxy.routing.models import Destination, Node, Project, Route
from proxy.routing.site.keeping import BACKEND, Changes, apply, one_at_a_time, with_backend
from proxy.routing.site.specs import DestinationSpec, ProjectSpec, RouteSpec, Site
from proxy.routing.site.writing import load_site

OUTBOX = DestinationSpec("outbox", "folder", path="outbox")
FIRST_START, SETTINGS = "first start", "settings"


def first_site(called_ae: str) -> Site:
    """One project, one route, one folder: what comes in lies pseudonymous in DATA_DIR/outbox. With ITH_URL and
    ITH_TOKEN set it goes to the backend instead."""
    backend = bool(settings.ITH_URL and settings.ITH_TOKEN)
    to = DestinationSpec(BACKEND, Destination.BACKEND) if backend else OUTBOX
    return Site(
        projects=(ProjectSpec("default"),),
        destinations=(to,),
        routes=(RouteSpec(called_ae, "default", destinations=(to.name,)),),
    )


def ensure_first_site() -> Changes:
    """Configure a house that was never configured, and keep PACS and backend of the settings. Safe to call at once
    from several processes, and again at every start."""
    with transaction.atomic():
        one_at_a_time()
        if _was_configured():
            return apply(with_backend_on_its_route(load_site()), SETTINGS)
        return apply(first_site(settings.DICOM_AE_TITLE), FIRST_START)


def with_backend_on_its_route(site: Site) -> Site:
    """A house that nobody has configured since its first start, and that gets a backend now, delivers to it too. Once
    the site knows the backend, where it stands in the routes is the operator's word."""
    backend = with_backend(site)
    if backend == site or len(site.routes) != 1:
        return site
    (route,) = site.routes
    if (
        route != RouteSpec(route.called_ae, "default", destinations=(OUTBOX.name,))
        or OUTBOX not in site.destinations
    ):
        return site
    return replace(backend, routes=(replace(route, destinations=(BACKEND, OUTBOX.name)),))


def _was_configured() -> bool:
    """Retired rows count: someone who retired everything wanted it so."""
    return any(model.objects.exists() for model in (Project, Route, Node))
