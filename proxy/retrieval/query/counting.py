"""What no column says: the numbers, modalities and classes below a patient, study or series, of what is in view."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from proxy.retrieval.query.attributes import Attribute
from proxy.retrieval.query.rows import Row, studies
from proxy.retrieval.visible import of_revision
from proxy.studies.models import Instance, Revision, Series

Known = Mapping[Any, str]


def computed(rows: Sequence[Row], wanted: Iterable[Attribute]) -> None:
    """Adds to the rows what of the wanted has no column; a few statements for all of them."""
    for attribute in wanted:
        if attribute.is_computed and rows:
            key, look_up = _LOOK_UPS[attribute.keyword]
            known = look_up(rows)
            for row in rows:
                row.values[attribute.keyword] = known.get(key(row), "0" if attribute.vr == "IS" else "")


def _study(row: Row) -> int:
    return row.study_id


def _series(row: Row) -> int:
    return row.series_id


def _patient(row: Row) -> Hashable:
    return row.project_id, row.patient


def series_in_view() -> "QuerySet[Series]":
    return Series.objects.filter(Exists(Instance.objects.filter(of_revision(), series=OuterRef("pk"))))


# --- of a study ---------------------------------------------------------------------------------------


def _modalities(rows: Sequence[Row]) -> Known:
    found = series_in_view().filter(study_id__in=_ids(rows, _study))
    return _joined(found.values_list("study_id", "modality").distinct())


def _classes(rows: Sequence[Row]) -> Known:
    found = Instance.objects.filter(of_revision(), series__study_id__in=_ids(rows, _study))
    return _joined(found.values_list("series__study_id", "sop_class").distinct())


def _series_of_study(rows: Sequence[Row]) -> Known:
    found = series_in_view().filter(study_id__in=_ids(rows, _study))
    return _said(found.values_list("study_id").annotate(Count("pk")))


def _instances_of_study(rows: Sequence[Row]) -> Known:
    found = Revision.objects.filter(of_revision(""), study_id__in=_ids(rows, _study))
    return _said(found.values_list("study_id").annotate(Sum("total")))


# --- of a series --------------------------------------------------------------------------------------


def _instances_of_series(rows: Sequence[Row]) -> Known:
    found = Instance.objects.filter(of_revision(), series_id__in=_ids(rows, _series))
    return _said(found.values_list("series_id").annotate(Count("pk")))


# --- of a patient -------------------------------------------------------------------------------------


def _studies_of_patient(rows: Sequence[Row]) -> Known:
    found = studies().filter(**_theirs(rows, ""))
    return _pairs(found.values_list("project_id", "patient").annotate(Count("pk")))


def _series_of_patient(rows: Sequence[Row]) -> Known:
    found = series_in_view().filter(**_theirs(rows, "study__"))
    return _pairs(found.values_list("study__project_id", "study__patient").annotate(Count("pk")))


def _instances_of_patient(rows: Sequence[Row]) -> Known:
    found = Revision.objects.filter(of_revision(""), **_theirs(rows, "study__"))
    return _pairs(found.values_list("study__project_id", "study__patient").annotate(Sum("total")))


def _theirs(rows: Sequence[Row], path: str) -> dict[str, Any]:
    """Also of a namesake in another project, whose numbers nobody asks for."""
    return {
        f"{path}project_id__in": {row.project_id for row in rows},
        f"{path}patient__in": {row.patient for row in rows},
    }


def _ids(rows: Sequence[Row], key: Callable[[Row], int]) -> set[int]:
    return {key(row) for row in rows}


def _said(found: Iterable[tuple[int, int]]) -> Known:
    return {key: str(number) for key, number in found}


def _pairs(found: Iterable[tuple[int, str, int]]) -> Known:
    return {(project, patient): str(number) for project, patient, number in found}


def _joined(found: Iterable[tuple[int, str]]) -> Known:
    values: dict[int, set[str]] = defaultdict(set)
    for key, value in found:
        values[key].add(value)
    return {key: "\\".join(sorted(filter(None, some))) for key, some in values.items()}


_LOOK_UPS: Final[Mapping[str, tuple[Callable[[Row], Hashable], Callable[[Sequence[Row]], Known]]]] = {
    "ModalitiesInStudy": (_study, _modalities),
    "SOPClassesInStudy": (_study, _classes),
    "NumberOfStudyRelatedSeries": (_study, _series_of_study),
    "NumberOfStudyRelatedInstances": (_study, _instances_of_study),
    "NumberOfSeriesRelatedInstances": (_series, _instances_of_series),
    "NumberOfPatientRelatedStudies": (_patient, _studies_of_patient),
    "NumberOfPatientRelatedSeries": (_patient, _series_of_patient),
    "NumberOfPatientRelatedInstances": (_patient, _instances_of_patient),
}
