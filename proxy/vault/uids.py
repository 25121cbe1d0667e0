"""From a UID as its sender knows it to what it is called here. The way back needs seals; see `reidentify`."""

from collections.abc import Iterable, Mapping

from django.db.models import Max

from proxy.deid.identifiers import map_uid, subject_uid_key
from proxy.vault.models import Person
from proxy.vault.projects import project_key


def names_of(project_id: int, originals: Iterable[str]) -> Mapping[str, str]:
    """Each name that one of these may have in this project, and which original it is.

    A person who was forgotten and came again has other UIDs (`generation`); a recipe may keep UIDs as they are.
    """
    wanted = list(originals)
    names = {uid: uid for uid in wanted}
    latest = Person.objects.filter(project_id=project_id).aggregate(latest=Max("generation"))["latest"]
    if latest is None:
        return names
    key = project_key(project_id)
    for generation in range(latest + 1):
        uid_key = subject_uid_key(key, generation)
        names |= {map_uid(uid_key, uid): uid for uid in wanted}
    return names


def forgotten(project_id: int, pseudonyms: Iterable[str]) -> set[str]:
    """Those of these whom we have forgotten."""
    rows = Person.objects.filter(project_id=project_id, pseudonym__in=set(pseudonyms))
    return set(rows.exclude(forgotten_at=None).values_list("pseudonym", flat=True))
