"""What of the index a query looks at: one row for each patient, study, series or image in view."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from proxy.retrieval.query.attributes import IMAGE, PATIENT, SERIES, STUDY, Attribute
from proxy.retrieval.views import View
from proxy.retrieval.visible import of_revision
from proxy.routing.models import Project
from proxy.studies.models import Instance, Revision, Series, Study
from proxy.vault.models import Person

AT_ONCE: Final = 500

PATHS: Final[Mapping[str, Mapping[str, str]]] = {
    PATIENT: {PATIENT: ""},
    STUDY: {PATIENT: "", STUDY: ""},
    SERIES: {PATIENT: "study__", STUDY: "study__", SERIES: ""},
    IMAGE: {PATIENT: "series__study__", STUDY: "series__study__", SERIES: "series__", IMAGE: ""},
}
"""From the table of a level to that of an attribute."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Where a level's table says whose a row is. A patient has no study, a study no series."""

    project: str
    patient: str
    study: str
    series: str


KEYS: Final = {
    PATIENT: Keys("project_id", "pseudonym", "pk", "pk"),
    STUDY: Keys("project_id", "patient", "pk", "pk"),
    SERIES: Keys("study__project_id", "study__patient", "study_id", "pk"),
    IMAGE: Keys("project_id", "series__study__patient", "series__study_id", "series_id"),
}


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """`values` by keyword."""

    pk: int
    project_id: int
    patient: str
    study_id: int
    series_id: int
    values: dict[str, str]


def projects_of(view: View) -> frozenset[int]:
    """By number even where all are in view: the index of UIDs begins with the project."""
    return view.projects or frozenset(Project.objects.values_list("pk", flat=True))


@lru_cache(maxsize=256)
def in_view(level: str, projects: frozenset[int]) -> "QuerySet[Any]":
    """Those with at least one image that may leave the house. Made once: that takes as long as asking for a row."""
    mine = Q(**{f"{KEYS[level].project}__in": projects})
    if level == IMAGE:
        return Instance.objects.filter(of_revision(), mine)
    if level == SERIES:
        return Series.objects.filter(
            mine, Exists(Instance.objects.filter(of_revision(), series=OuterRef("pk")))
        )
    return studies().filter(mine) if level == STUDY else _patients(mine)


def studies() -> "QuerySet[Study]":
    return Study.objects.filter(Exists(Revision.objects.filter(of_revision(""), study=OuterRef("pk"))))


def _patients(mine: Q) -> "QuerySet[Person]":
    """What a study says of its patient is answered from the newest one."""
    theirs = studies().filter(project_id=OuterRef("project_id"), patient=OuterRef("pseudonym"))
    newest = theirs.order_by("-pk")
    return Person.objects.filter(mine, Exists(theirs)).annotate(
        birth_date=Subquery(newest.values("birth_date")[:1]),
        sex=Subquery(newest.values("sex")[:1]),
        issuer=Subquery(newest.values("issuer")[:1]),
    )


def column(level: str, attribute: Attribute) -> str:
    if level == PATIENT and attribute.column == "patient":
        return "pseudonym"
    return PATHS[level][attribute.level] + attribute.column


def fetched(level: str, rows: "QuerySet[Any]", wanted: Sequence[Attribute]) -> Generator[Row, None, None]:
    """One after the other, never all in memory. Must be read, or closed, before anything is answered."""
    stored = [one for one in wanted if not one.is_computed]
    keywords = [one.keyword for one in stored]
    keys = KEYS[level]
    columns = ["pk", keys.project, keys.patient, keys.study, keys.series]
    columns += [column(level, one) for one in stored]
    with _cursor():
        for found in rows.values_list(*columns).iterator(chunk_size=AT_ONCE):
            pk, project, patient, study, series = found[:5]
            values = dict(zip(keywords, found[5:], strict=True))
            yield Row(pk, project, patient, study, series, values)


def _cursor() -> AbstractContextManager[Any]:
    """PostgreSQL streams within a transaction, and else makes all rows before it gives the first. To SQLite a
    transaction would be a writer's."""
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()
