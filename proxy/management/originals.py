"""From an original study UID to the pseudonymous one, for whoever says why. Each look leaves its mark."""

from collections.abc import Iterator

from proxy.deid import identifiers
from proxy.quarantine.models import HeldItem
from proxy.studies.models import Study
from proxy.vault import reidentify
from proxy.vault.models import Person
from proxy.vault.projects import project_key
from proxy.vault.reidentify import Principal, Unknown


def studies_behind(asker: Principal, project_id: int, original: str, purpose: str) -> list[str]:
    """The pseudonymous study UIDs in this project, also of a study that is in quarantine only."""
    try:
        found = [reidentify.pseudonymous_uid(asker, project_id, original, purpose)]
    except Unknown:
        found = [uid for uid in _candidates(project_id, original) if _is_held(project_id, uid)]
    return [uid for uid in found if _is_study(project_id, uid)]


def _candidates(project_id: int, original: str) -> Iterator[str]:
    """One for each generation that anybody in this project has reached."""
    rows = Person.objects.filter(project_id=project_id)
    generations = set(rows.values_list("generation", flat=True))
    for generation in sorted(generations):
        key = identifiers.subject_uid_key(project_key(project_id), generation)
        yield identifiers.map_uid(key, original)


def _is_held(project_id: int, uid: str) -> bool:
    return HeldItem.objects.filter(project_id=project_id, study_uid=uid).exists()


def _is_study(project_id: int, uid: str) -> bool:
    """A series or an image has an original UID, too."""
    return Study.objects.filter(project_id=project_id, uid=uid).exists() or _is_held(project_id, uid)
