"""The first start: a house that nobody has configured takes images from DICOM_AE_TITLE into a folder.

Every process calls this at its start; whoever comes second finds everything done.
"""

from django.conf import settings
from django.db import transaction

from proxy.routing.models import Node, Project, Route
from proxy.routing.site.keeping import Changes, apply, one_at_a_time
from proxy.routing.site.specs import DestinationSpec, ProjectSpec, RouteSpec, Site
from proxy.routing.site.writing import load_site

FIRST_START, SETTINGS = "first start", "settings"


def first_site(called_ae: str) -> Site:
    """One project, one route, one folder: what comes in lies pseudonymous in DATA_DIR/outbox."""
    return Site(
        projects=(ProjectSpec("default"),),
        destinations=(DestinationSpec("outbox", "folder", path="outbox"),),
        routes=(RouteSpec(called_ae, "default", destinations=("outbox",)),),
    )


def ensure_first_site() -> Changes:
    """Configure a house that was never configured, and keep the PACS of the settings. Safe to call at once
    from several processes, and again at every start."""
    with transaction.atomic():
        one_at_a_time()
        if _was_configured():
            return apply(load_site(), SETTINGS)
        return apply(first_site(settings.DICOM_AE_TITLE), FIRST_START)


def _was_configured() -> bool:
    """Retired rows count: someone who retired everything wanted it so."""
    return any(model.objects.exists() for model in (Project, Route, Node))
