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


def survivors(project_id: int, pseudonyms: Iterable[str]) -> Mapping[str, str]:
    """Of persons whom the hospital found to be one: the pseudonym of the one who gets what is new."""
    rows = Person.objects.filter(project_id=project_id, pseudonym__in=set(pseudonyms)).exclude(family=None)
    families = {pseudonym: family or 0 for pseudonym, family in rows.values_list("pseudonym", "family")}
    names = dict(Person.objects.filter(pk__in=set(families.values())).values_list("pk", "pseudonym"))
    return {pseudonym: names[family] for pseudonym, family in families.items()}


def pseudonyms_of(project_id: int, pseudonym: str) -> list[str]:
    """Those of one person, after the hospital merged some."""
    rows = Person.objects.filter(project_id=project_id)
    family = rows.filter(pseudonym=pseudonym).values_list("family", flat=True).first()
    if family is None:
        return [pseudonym]
    return list(rows.filter(family=family).values_list("pseudonym", flat=True))


def forgotten(project_id: int, pseudonyms: Iterable[str]) -> set[str]:
    """Those of these whom we have forgotten."""
    rows = Person.objects.filter(project_id=project_id, pseudonym__in=set(pseudonyms))
    return set(rows.exclude(forgotten_at=None).values_list("pseudonym", flat=True))
