"""Where images leave with their names: said in every run, for as long as it is so."""

from collections.abc import Iterator

from proxy.backend.remembered import anonymizes
from proxy.deliveries.originals import objection
from proxy.management.doctor.findings import Finding, fail, warn
from proxy.network.scu import Unmade
from proxy.retrieval.delivering import granted
from proxy.routing.models import Destination, Project, Route

AREA = "restored"
OFF = "DICOM_ANONYMIZE_PATIENTS is off: images leave with the patients' names, "


def examine_restored() -> Iterator[Finding]:
    """By destination and project of the routes in force: who gets originals, and who gets nothing."""
    if anonymizes():
        return
    refused = {pair: _why_not(*pair) for pair in _pairs()}
    seeing = [f"{to} ({project})" for (to, project), why in refused.items() if not why]
    yield warn(AREA, OFF + (f"to {', '.join(seeing)}." if seeing else "but no destination may have them."))
    for (to, project), why in refused.items():
        if why:
            yield fail(AREA, f"{to} gets nothing of project {project}: {why}")


def _pairs() -> list[tuple[Destination, Project]]:
    routes = Route.objects.filter(retired_at=None, project__retired_at=None).select_related("project")
    pairs = {
        (destination, route.project)
        for route in routes.prefetch_related("destinations")
        for destination in route.destinations.all()
        if not destination.is_retired
    }
    return sorted(pairs, key=lambda pair: (pair[0].name, pair[1].name))


def _why_not(destination: Destination, project: Project) -> str:
    if why := objection(destination):
        return why
    try:
        granted(destination.node_id or 0, project.pk)
    except Unmade as unmade:
        return str(unmade)
    return ""
