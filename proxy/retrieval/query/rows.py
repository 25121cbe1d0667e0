"""What of the index a query looks at: one row for each patient, study, series or image in view."""

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from proxy.retrieval.query import ready
from proxy.retrieval.query.attributes import IMAGE, PATIENT, SERIES, STUDY, Attribute
from proxy.retrieval.views import View
from proxy.retrieval.visible import may_leave, of_revision
from proxy.routing.models import Project
from proxy.studies.models import Instance, Revision, Series, Study
from proxy.vault.models import Person

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
    return view.projects or frozenset(pk for (pk,) in ready.rows(_projects, (), Q()))


def _projects(where: Q) -> "QuerySet[Any]":
    return Project.objects.filter(where).values_list("pk")


def in_view(level: str, projects: frozenset[int]) -> "QuerySet[Any]":
    """Those with at least one image that may leave the house."""
    mine = Q(**{f"{KEYS[level].project}__in": projects})
    if level == IMAGE:
        return Instance.objects.filter(of_revision(), mine)
    if level == SERIES:
        return Series.objects.filter(
            mine, Exists(Instance.objects.filter(of_revision(), series=OuterRef("pk")))
        )
    return studies().filter(mine) if level == STUDY else _patients(mine)


def studies() -> "QuerySet[Study]":
    """Held or not is asked of the study itself, and not once more by way of its revisions."""
    theirs = Revision.objects.filter(may_leave(""), study=OuterRef("pk"))
    return Study.objects.filter(Exists(theirs), held_at=None)


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


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which rows are looked at: of a level, of these projects, and of those what can be seen at all."""

    level: str
    projects: frozenset[int]
    in_sight: Callable[[str], Q]
    newest_first: bool = False  # as they came, where somebody turns pages; else in no order

    def first(self, where: Q, wanted: Sequence[Attribute], most: int) -> list[Row]:
        """Not more than so many, at once."""
        keywords = _keywords(wanted)
        return [_row(one, keywords) for one in ready.rows(_chosen, self._fixed(wanted), where, most)]

    def stream(self, where: Q, wanted: Sequence[Attribute]) -> Generator[Row, None, None]:
        """One after the other, never all in memory. Must be read, or closed, before anything is answered."""
        keywords = _keywords(wanted)
        with closing(ready.stream(_chosen, self._fixed(wanted), where)) as found:
            for one in found:
                yield _row(one, keywords)

    def _fixed(self, wanted: Sequence[Attribute]) -> tuple[Hashable, ...]:
        columns = tuple(column(self.level, one) for one in wanted if not one.is_computed)
        return self.level, self.projects, self.in_sight, self.newest_first, columns


def _chosen(
    level: str,
    projects: frozenset[int],
    in_sight: Callable[[str], Q],
    newest_first: bool,
    columns: tuple[str, ...],
    where: Q,
) -> "QuerySet[Any]":
    keys = KEYS[level]
    first = "pk", keys.project, keys.patient, keys.study, keys.series
    found = in_view(level, projects).filter(in_sight(level)).filter(where)
    return (found.order_by("-pk") if newest_first else found).values_list(*first, *columns)


def _keywords(wanted: Sequence[Attribute]) -> list[str]:
    return [one.keyword for one in wanted if not one.is_computed]


def _row(found: ready.Row, keywords: Sequence[str]) -> Row:
    pk, project, patient, study, series = found[:5]
    return Row(pk, project, patient, study, series, dict(zip(keywords, found[5:], strict=True)))
