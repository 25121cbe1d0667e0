"""Who and what is behind pseudonyms and pseudonymous UIDs that somebody names: persons, studies, series.

First it is found where they are, in an index that names nobody; then a `Look` opens what those projects have sealed.
Whether files are here still, or were held, rejected or never left, makes no difference: whoever asks has the pseudonym
in hand, and seals outlive files. What a study or series was is read from the seal of its newest image; where that is
gone, nothing is said of it, because the index alone would pass off as real what the recipe has made.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Max, QuerySet

from proxy.retrieval.query import sealed
from proxy.retrieval.query.attributes import PATIENT, SERIES, STUDY, TABLE
from proxy.studies.models import Instance, Series, Study
from proxy.vault.models import Person
from proxy.vault.reidentify import Identity, Look

KEYWORDS: Final[Mapping[str, Mapping[str, str]]] = {
    level: {one.keyword: one.column for one in TABLE if one.level == level and one.column and not one.parts}
    for level in (PATIENT, STUDY, SERIES)
}
OF_THE_PERSON: Final = frozenset({"PatientID", "PatientName", "IssuerOfPatientID"})
FIRST: Final = {STUDY: "series__study_id", SERIES: "series_id"}
"""From an image to the row of a level."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is that somebody named: pseudonyms only. `study` is the row of a series' study."""

    level: str
    name: str
    pk: int
    project_id: int
    patient: str
    index: Mapping[str, str] = field(default_factory=dict)
    study: int = 0

    @property
    def person(self) -> tuple[int, str]:
        return self.project_id, self.patient


@dataclass(frozen=True, slots=True, repr=False)
class Original:
    """`values` by keyword, of the place's level, as they were; empty where no seal says so."""

    place: Place
    identity: Identity
    values: Mapping[str, str]


# --- where they are -------------------------------------------------------------------------------


def places(level: str, names: Collection[str], projects: Collection[int]) -> list[Place]:
    """In the order of the names, each in every project that has it."""
    if level == PATIENT:
        found = list(_patients(names, projects))
    else:
        rows: Any = Study.objects if level == STUDY else Series.objects
        mine = {"project_id__in" if level == STUDY else "study__project_id__in": projects}
        found = list(_rows(level, rows.filter(uid__in=list(names), **mine)))
    order = {name: number for number, name in enumerate(names)}
    return sorted(found, key=lambda place: (order[place.name], place.project_id))


def series_of(study: Place) -> list[Place]:
    return list(_rows(SERIES, Series.objects.filter(study_id=study.pk).order_by("pk")))


def _patients(names: Collection[str], projects: Collection[int]) -> Iterable[Place]:
    rows = Person.objects.filter(project_id__in=projects, pseudonym__in=list(names), forgotten_at=None)
    columns = {key: column for key, column in KEYWORDS[PATIENT].items() if key not in OF_THE_PERSON}
    studies = Study.objects.filter(project_id__in=projects, patient__in=list(names)).order_by("pk")
    said = {row[:2]: row[2:] for row in studies.values_list("project_id", "patient", *columns.values())}
    for pk, project_id, pseudonym in rows.values_list("pk", "project_id", "pseudonym"):
        index = dict(zip(columns, said.get((project_id, pseudonym), ()), strict=False))
        yield Place(PATIENT, pseudonym, pk, project_id, pseudonym, index)


def _rows(level: str, rows: "QuerySet[Any]") -> Iterable[Place]:
    whose = "" if level == STUDY else "study__"
    columns = KEYWORDS[level].values()
    study = "pk" if level == STUDY else "study_id"
    for row in rows.values_list("pk", study, f"{whose}project_id", f"{whose}patient", "uid", *columns):
        index = dict(zip(KEYWORDS[level], row[5:], strict=True))
        yield Place(level, row[4], row[0], row[2], row[3], index, row[1])


# --- what they were -------------------------------------------------------------------------------


def originals(look: Look, found: Sequence[Place]) -> list[Original]:
    """Of persons who live. Their marks come first: call this and answer, nothing between. Raises what `look` does."""
    identities = _identities(look, {place.person for place in found})
    there = [place for place in found if place.person in identities]
    look.mark({place.person for place in there})
    said = _sealed(look, _images(there))
    return [Original(one, identities[one.person], _values(one, said.get(_key(one)))) for one in there]


def _identities(look: Look, persons: Collection[tuple[int, str]]) -> dict[tuple[int, str], Identity]:
    wanted: dict[int, set[str]] = defaultdict(set)
    for project_id, pseudonym in persons:
        wanted[project_id].add(pseudonym)
    return {
        (project_id, identity.pseudonym): identity
        for project_id, names in wanted.items()
        for identity in look.identities(project_id, names)
    }


Key = tuple[str, int]


def _key(place: Place) -> Key:
    return place.level, place.pk


def _images(found: Sequence[Place]) -> dict[Key, tuple[int, str]]:
    """Of each place its newest image, as project and SOP Instance UID: its seal lives longest."""
    newest: dict[Key, int] = {}
    for level, path in FIRST.items():
        pks = [place.pk for place in found if place.level == level]
        rows = (
            Instance.objects.filter(**{f"{path}__in": pks}).values_list(path).annotate(Max("pk")).order_by()
        )
        newest |= {(level, pk): image for pk, image in rows}
    newest |= _newest_of_patients([place for place in found if place.level == PATIENT])
    names = {pk: (project, uid) for pk, project, uid in _named(newest.values())}
    return {key: names[image] for key, image in newest.items() if image in names}


def _newest_of_patients(found: Sequence[Place]) -> dict[Key, int]:
    patients = {place.person: _key(place) for place in found}
    whose = "project_id", "series__study__patient"
    mine = {"project_id__in": {project for project, _ in patients}}
    theirs = Instance.objects.filter(series__study__patient__in={one for _, one in patients}, **mine)
    rows = theirs.values_list(*whose).annotate(Max("pk")).order_by()
    return {patients[one, two]: image for one, two, image in rows if (one, two) in patients}


def _named(images: Collection[int]) -> "QuerySet[Instance, tuple[int, int, str]]":
    return Instance.objects.filter(pk__in=list(images)).values_list("pk", "project_id", "uid")


def _sealed(look: Look, images: Mapping[Key, tuple[int, str]]) -> dict[Key, Mapping[str, str]]:
    wanted: dict[int, set[str]] = defaultdict(set)
    for project_id, uid in images.values():
        wanted[project_id].add(uid)
    said = {
        (project_id, uid): sealed.originals(plain)
        for project_id, uids in wanted.items()
        for uid, plain in look.seals(project_id, uids)
    }
    return {key: said[image] for key, image in images.items() if image in said}


def _values(place: Place, said: Mapping[str, str] | None) -> dict[str, str]:
    """What a seal does not hold stands in the index as it came."""
    if not said:
        return {}
    keywords = KEYWORDS[place.level].keys() - OF_THE_PERSON
    values = {one: said[one] if one in said else place.index.get(one, "") for one in keywords}
    return {one: values[one] for one in sorted(values) if values[one]}
