"""The first image of a study, a series, a revision: each has rows made for it, once."""

from dataclasses import fields
from datetime import timedelta
from typing import Any

from django.db import transaction

from proxy.reception import rows
from proxy.routing.models import Destination, Project, Route
from proxy.studies import index
from proxy.studies.index import Arrival, Stored
from proxy.studies.models import Instance, Revision, Series, Study
from tests.scene import NOW, Scene

LATER = NOW + timedelta(minutes=1)
SAID = {"modality": "CT", "number": "7", "description": "Thorax"}


def arrival(number: int, **changed: Any) -> Arrival:
    project, route = Project.objects.get(), Route.objects.get()
    values: dict[str, Any] = {
        "project_id": project.pk, "route_id": route.pk, "destination_ids": bound(), "node_id": None,
        "patient": "ANON-A", "study_uid": "2.25.7", "study": dict, "series_uid": "2.25.7.1", "series": dict,
        "uid": f"2.25.7.1.{number}", "sop_class": "1.2", "transfer_syntax": "1.2.840.10008.1.2",
        "number": str(number), "path": f"1/2.25.7/{number}.dcm", "size": 10, "header_mac": "0", "bulk_digest": "0",
        "received_at": NOW, "quiet_at": LATER,
    }  # fmt: skip
    return Arrival(**{**values, **changed})


def bound() -> tuple[int, ...]:
    return tuple(Destination.objects.order_by("pk").values_list("pk", flat=True))


def place(*arrivals: Arrival) -> list[index.Outcome]:
    with transaction.atomic():
        return index.place(arrivals)


def test_what_the_image_says_of_its_study_and_series_is_kept_and_the_rest_is_empty(scene: Scene) -> None:
    [stored] = place(arrival(1, study=lambda: {"date": "20260301", "sex": "F"}, series=lambda: SAID))
    study, series = Study.objects.get(uid="2.25.7"), Series.objects.get(uid="2.25.7.1")
    assert isinstance(stored, Stored)
    assert (study.patient, study.date, study.sex, study.accession) == ("ANON-A", "20260301", "F", "")
    assert (study.received_at, study.held_at, study.held_reason) == (NOW, None, "")
    assert (series.study, series.modality, series.number, series.body_part) == (study, "CT", "7", "")
    assert Instance.objects.get(pk=stored.instance_id).series == series


def test_the_names_of_what_is_said_are_those_that_reception_decodes() -> None:
    assert set(index.OF_STUDY) == set(rows.STUDY)
    assert set(index.OF_SERIES) == set(rows.SERIES)
    assert {field.name for field in fields(index.Twin)} - {"id"} <= set(Arrival._fields)


def test_a_revision_is_bound_to_each_destination_once(scene: Scene) -> None:
    place(arrival(1, destination_ids=bound() * 2), arrival(2))
    revision = Revision.objects.get(study__uid="2.25.7")
    assert (revision.number, revision.state, revision.total) == (1, "receiving", 2)
    assert (revision.opened_at, revision.quiet_at, revision.released_at) == (NOW, LATER, None)
    assert [one.pk for one in revision.destinations.order_by("pk")] == list(bound())


def test_a_route_without_destinations_has_none_bound(scene: Scene) -> None:
    place(arrival(1, destination_ids=()))
    assert not Revision.objects.get(study__uid="2.25.7").destinations.exists()


def test_a_late_image_opens_the_next_revision_in_the_same_study_and_series(scene: Scene) -> None:
    known = scene.study
    late = {"study_uid": known.uid, "patient": known.patient, "series_uid": "2.25.1.1"}
    place(arrival(1, **late))
    place(arrival(2, **late))
    numbers = known.revisions.order_by("number").values_list("number", "state", "total")
    assert list(numbers) == [(1, "review", 2), (2, "receiving", 2)]
    assert Series.objects.filter(study=known).count() == 1
