"""The story, with a real database and no network: quiet, review, revisions, deliveries."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from proxy import pipeline
from proxy.deliveries import ledger
from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination, Project, Route
from proxy.storage import keys
from proxy.studies import index
from proxy.studies.index import Arrival, Conflict, Duplicate, Stored
from proxy.studies.models import Instance, Revision, Study

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
QUIET = timedelta(seconds=60)
LATER = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path) -> Iterator[None]:
    keys.ensure(tmp_path / "keys")
    with override_settings(KEY_DIR=tmp_path / "keys", DATA_DIR=tmp_path / "data"):
        yield


@pytest.fixture
def route() -> Route:
    made = Route.objects.create(called_ae="DICOMRCV", project=Project.objects.create(name="default"))
    made.destinations.add(Destination.objects.create(name="outbox", kind="folder", path="outbox"))
    return made


def arrival(route: Route, uid: str = "2.25.1", **changes: Any) -> Arrival:
    facts: dict[str, Any] = {
        "project_id": route.project_id,
        "route_id": route.pk,
        "destination_ids": tuple(route.destinations.values_list("pk", flat=True)),
        "node_id": None,
        "patient": "ANON-AAAAAAAAAAAAAAAA",
        "study_uid": "2.25.100",
        "study": lambda: {"date": "20240101"},
        "series_uid": "2.25.200",
        "series": lambda: {"modality": "CT"},
        "uid": uid,
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "number": "1",
        "path": f"1/2.25.100/{uid}.dcm",
        "size": 1000,
        "header_mac": "h1",
        "bulk_digest": "b1",
        "received_at": NOON,
        "quiet_at": NOON + QUIET,
    }
    return Arrival(**{**facts, **changes})


def states() -> list[str]:
    return list(Revision.objects.order_by("number").values_list("state", flat=True))


def test_a_study_that_has_gone_quiet_gets_a_delivery_for_each_destination(route: Route) -> None:
    index.place([arrival(route), arrival(route, "2.25.2")])
    assert pipeline.settle(NOON) == 0
    assert states() == ["receiving"]
    assert pipeline.settle(LATER) == 1
    assert states() == ["released"]
    assert Delivery.objects.get().total == 2


def test_each_image_moves_the_deadline(route: Route) -> None:
    index.place([arrival(route)])
    index.place([arrival(route, "2.25.2", quiet_at=NOON + 2 * QUIET)])
    pipeline.settle(NOON + QUIET)
    assert states() == ["receiving"]


def test_promise_12_a_release_without_its_deliveries_is_made_whole_after_a_restart(route: Route) -> None:
    index.place([arrival(route)])
    Revision.objects.update(state="released")  # killed between the two transactions
    assert pipeline.settle(LATER) == 1
    assert Delivery.objects.count() == 1
    assert pipeline.settle(LATER) == 0


def test_a_late_image_opens_the_next_revision_and_changes_no_other(route: Route) -> None:
    index.place([arrival(route)])
    pipeline.settle(LATER)
    index.place([arrival(route, "2.25.2", quiet_at=LATER + QUIET)])
    assert states() == ["released", "receiving"]
    pipeline.settle(LATER + QUIET)
    assert [delivery.total for delivery in Delivery.objects.order_by("pk")] == [1, 1]


def test_a_route_with_review_waits_for_a_person(route: Route) -> None:
    Route.objects.update(review=True)
    index.place([arrival(route)])
    assert pipeline.settle(LATER) == 0
    assert states() == ["review"]
    assert not Delivery.objects.exists()


def test_a_held_study_is_not_released_and_a_late_image_does_not_release_it(route: Route) -> None:
    index.place([arrival(route)])
    other = index.place([arrival(route, "2.25.2", patient="ANON-BBBBBBBBBBBBBBBB", path="1/x.dcm")])
    assert other == [index.TWO_PERSONS]
    assert Study.objects.get().is_held
    index.place([arrival(route, "2.25.3")])
    assert pipeline.settle(LATER) == 0
    assert states() == ["complete"]


def test_a_study_without_destinations_stays_released(route: Route) -> None:
    route.destinations.clear()
    index.place([arrival(route)])
    assert pipeline.settle(LATER) == 0
    assert states() == ["released"]


def test_a_destination_that_the_route_names_later_gets_the_study_too(route: Route) -> None:
    index.place([arrival(route)])
    route.destinations.add(Destination.objects.create(name="second", kind="folder", path="second"))
    assert pipeline.settle(LATER) == 1
    assert Delivery.objects.count() == 2
    assert Revision.objects.get().destinations.count() == 2


def test_storing_the_same_instance_twice_is_as_once(route: Route) -> None:
    first, again = index.place([arrival(route), arrival(route, path="1/twin.dcm")])
    assert isinstance(first, Stored)
    assert again == Duplicate(first.instance_id)
    assert index.place([arrival(route, path="1/third.dcm")]) == [Duplicate(first.instance_id)]
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({"header_mac": "h2"}, index.OTHER_CONTENT),
        ({"bulk_digest": "b2"}, index.OTHER_CONTENT),
        ({"bulk_digest": "b2", "transfer_syntax": "1.2.840.10008.1.2.5"}, index.RECOMPRESSED),
    ],
)
def test_the_same_uid_with_other_content_is_never_overwritten(
    route: Route, changes: dict[str, Any], fate: Conflict
) -> None:
    index.place([arrival(route)])
    assert index.place([arrival(route, path="1/other.dcm", **changes)]) == [fate]
    assert Instance.objects.get().path == "1/2.25.100/2.25.1.dcm"


def test_the_same_content_in_another_uncompressed_syntax_is_as_once(route: Route) -> None:
    index.place([arrival(route)])
    (fate,) = index.place([arrival(route, path="1/implicit.dcm", transfer_syntax="1.2.840.10008.1.2")])
    assert isinstance(fate, Duplicate)


def test_outcomes_come_in_the_order_of_the_batch(route: Route) -> None:
    batch = [arrival(route, f"2.25.{n}", study_uid=f"2.25.10{n % 2}") for n in (5, 4, 3, 2)]
    assert all(isinstance(fate, Stored) for fate in index.place(batch))
    assert sorted(Instance.objects.values_list("revision__study__uid", "ordinal")) == [
        ("2.25.100", 0), ("2.25.100", 1), ("2.25.101", 0), ("2.25.101", 1),
    ]  # fmt: skip


def test_a_batch_may_bring_several_series_and_each_is_made_once(route: Route) -> None:
    batch = [arrival(route, f"2.25.{n}", series_uid=f"2.25.20{n % 3}") for n in range(1, 8)]
    index.place(batch[:1])
    assert all(isinstance(fate, Stored) for fate in index.place(batch[1:]))
    assert sorted(Instance.objects.values_list("series__uid", "uid")) == sorted(
        (one.series_uid, one.uid) for one in batch
    )
    assert sorted(Instance.objects.values_list("ordinal", flat=True)) == list(range(7))
    assert Revision.objects.get().total == 7


def test_in_one_batch_the_first_of_a_uid_is_placed_and_others_are_compared_with_it(route: Route) -> None:
    stranger = {"patient": "ANON-BBBBBBBBBBBBBBBB", "path": "1/x.dcm"}
    fates = index.place(
        [
            arrival(route, **stranger),  # of nobody we know here
            arrival(route, study_uid="2.25.101", patient="ANON-CCCCCCCCCCCCCCCC"),
            arrival(route, path="1/twin.dcm"),
            arrival(route, path="1/other.dcm", bulk_digest="b2"),
        ]
    )
    assert isinstance(fates[0], Stored)
    assert isinstance(fates[1], Duplicate)
    assert fates[2:] == [Duplicate(fates[0].instance_id), index.OTHER_CONTENT]


def test_a_deadline_is_that_of_the_latest_of_a_batch(route: Route) -> None:
    late, early = NOON + 2 * QUIET, NOON + QUIET
    index.place([arrival(route)])
    index.place([arrival(route, "2.25.2", quiet_at=late), arrival(route, "2.25.3", quiet_at=early)])
    assert Revision.objects.get().quiet_at == late


def test_two_routes_of_one_study_are_two_revisions(route: Route) -> None:
    second = Route.objects.create(called_ae="OTHER", project=route.project)
    index.place([arrival(route), arrival(route, "2.25.2", route_id=second.pk, destination_ids=())])
    assert states() == ["receiving", "receiving"]


def test_promise_4_a_study_held_between_its_release_and_its_deliveries_counts_as_held(route: Route) -> None:
    index.place([arrival(route)])
    Revision.objects.update(state="released")
    Study.objects.update(held_at=NOON)
    assert pipeline.settle(LATER) == 0
    (line,) = ledger.balance()
    assert (line.received, line.held, line.difference) == (1, 1, 0)
