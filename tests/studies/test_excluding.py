"""Series that never leave: by a rule when they come, by a person afterwards, and until a person says otherwise."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from proxy import pipeline
from proxy.audit.models import Entry
from proxy.deliveries import arrivals, ledger, queue, recalling
from proxy.deliveries.models import Delivery
from proxy.deliveries.whereabouts import whereabouts
from proxy.retention.facts import facts_of
from proxy.retrieval.visible import of_revision
from proxy.routing.models import Destination, Project, Route
from proxy.storage import keys
from proxy.studies import excluding, index, review
from proxy.studies.excluding import Done, Undone
from proxy.studies.index import Arrival
from proxy.studies.models import Exclusion, Instance, Revision, Series, Study
from proxy.studies.retention import Go, Keep, Policy, decide

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
QUIET = timedelta(seconds=60)
LATER = NOON + timedelta(hours=1)
RULE = "*protocol*"
SCREEN, SCAN, SCOUT = "2.25.900", "2.25.200", "2.25.300"


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path) -> Iterator[None]:
    keys.ensure(tmp_path / "keys")
    with override_settings(KEY_DIR=tmp_path / "keys", DATA_DIR=tmp_path / "data"):
        yield


@pytest.fixture
def route() -> Route:
    project = Project.objects.create(name="default")
    made = Route.objects.create(called_ae="DICOMRCV", project=project, exclude=[RULE])
    for name in ("archive", "outbox"):
        made.destinations.add(Destination.objects.create(name=name, kind="folder", path=name))
    return made


def arrival(route: Route, number: int, series: str = SCAN, **changes: Any) -> Arrival:
    uid = f"{series}.{number}"
    facts: dict[str, Any] = {
        "project_id": route.project_id,
        "route_id": route.pk,
        "destination_ids": tuple(route.destinations.values_list("pk", flat=True)),
        "node_id": None,
        "patient": "ANON-AAAAAAAAAAAAAAAA",
        "study_uid": "2.25.100",
        "study": lambda: {},
        "series_uid": series,
        "series": lambda: {"modality": "CT", "number": "5"},
        "uid": uid,
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "number": str(number),
        "path": f"1/2.25.100/{uid}.dcm",
        "size": 1000,
        "header_mac": "h1",
        "bulk_digest": "b1",
        "received_at": NOON,
        "quiet_at": NOON + QUIET,
    }
    return Arrival(**{**facts, **changes})


def screen(route: Route, number: int = 1, **changes: Any) -> Arrival:
    return arrival(route, number, SCREEN, **{"rule": RULE, **changes})


def revisions() -> list[tuple[str, int, str | None]]:
    """State, images, and the series that was set aside."""
    rows = Revision.objects.order_by("number")
    return list(rows.values_list("state", "total", "series__uid"))


def balanced() -> dict[str, tuple[int, int, int, int]]:
    """By destination: received, excluded, in flight and held; the difference is 0 (promise 4)."""
    lines = ledger.balance()
    assert all(line.difference == 0 for line in lines), lines
    return {line.destination: (line.received, line.excluded, line.in_flight, line.held) for line in lines}


def ordinals_are_whole() -> None:
    for row in Revision.objects.all():
        found = list(row.instances.order_by("ordinal").values_list("ordinal", flat=True))
        assert found == list(range(row.total)), row


def seen_by_askers() -> set[str]:
    return set(Instance.objects.filter(of_revision()).values_list("uid", flat=True))


def marks(action: str) -> list[tuple[str, str, Any]]:
    return list(
        Entry.objects.filter(action=action).order_by("sequence").values_list("actor", "purpose", "detail")
    )


# --- by a rule ------------------------------------------------------------------------------------------


def test_what_a_rule_excludes_is_kept_and_goes_nowhere(route: Route) -> None:
    index.place([arrival(route, 1), screen(route), arrival(route, 2), screen(route, 2)])
    assert seen_by_askers() == {f"{SCAN}.1", f"{SCAN}.2"}, "nobody finds what is excluded, while it arrives"
    pipeline.settle(LATER)
    assert revisions() == [("released", 2, None), ("excluded", 2, SCREEN)]
    assert [delivery.total for delivery in Delivery.objects.all()] == [2, 2]
    assert balanced() == dict.fromkeys(("archive", "outbox"), (4, 2, 2, 0))
    assert seen_by_askers() == {f"{SCAN}.1", f"{SCAN}.2"}
    [(actor, _, detail)] = marks("study.series-excluded")
    assert (actor, detail["rule"], detail["images"]) == ("settle", RULE, 2)


def test_nor_with_a_later_revision_even_without_its_description_or_the_rule(route: Route) -> None:
    index.place([arrival(route, 1), screen(route)])
    pipeline.settle(LATER)
    Route.objects.update(exclude=[])
    late: dict[str, Any] = {"received_at": LATER, "quiet_at": LATER + QUIET}
    index.place([screen(route, 2, rule="", **late), arrival(route, 2, **late)])
    pipeline.settle(LATER + QUIET)
    assert [(state, series) for state, _, series in revisions()] == [
        ("released", None), ("excluded", SCREEN), ("released", None), ("excluded", SCREEN),
    ]  # fmt: skip
    assert {delivery.revision.series_id for delivery in Delivery.objects.all()} == {None}
    assert balanced()["outbox"] == (4, 2, 2, 0)


def test_a_study_of_nothing_else_ends_excluded(route: Route) -> None:
    index.place([screen(route)])
    assert pipeline.settle(LATER) == 0
    assert revisions() == [("excluded", 1, SCREEN)]
    [answer] = whereabouts(Study.objects.get(), None, LATER)
    assert answer.where == (
        "Revision 1 (1 image) stays here, its series is excluded: by the rule “*protocol*” of the route * → DICOMRCV."
    )
    assert "Include the series" in answer.todo


def test_a_rule_of_one_route_excludes_nothing_of_another(route: Route) -> None:
    other = Route.objects.create(called_ae="OTHER", project=route.project)
    other.destinations.add(Destination.objects.get(name="archive"))
    theirs = arrival(other, 2, SCREEN)
    index.place([screen(route), theirs])
    pipeline.settle(LATER)
    assert revisions() == [("excluded", 1, SCREEN), ("released", 1, None)]


def test_it_is_not_reviewed_either(route: Route) -> None:
    Route.objects.update(review=True)
    index.place([arrival(route, 1), screen(route)])
    pipeline.settle(LATER)
    assert revisions() == [("review", 1, None), ("excluded", 1, SCREEN)]


def test_a_held_study_keeps_it_held(route: Route) -> None:
    index.place([screen(route)])
    Study.objects.update(held_at=NOON)
    pipeline.settle(LATER)
    assert revisions() == [("complete", 1, SCREEN)]
    assert balanced()["outbox"] == (1, 0, 0, 1)


# --- by a person ------------------------------------------------------------------------------------------


def in_review(route: Route) -> None:
    """Three of a scan, two of a scout between them."""
    Route.objects.update(review=True)
    index.place([
        arrival(route, 1), arrival(route, 1, SCOUT), arrival(route, 2), arrival(route, 2, SCOUT), arrival(route, 3),
    ])  # fmt: skip
    pipeline.settle(LATER)


def scout() -> Series:
    return Series.objects.get(uid=SCOUT)


def test_a_person_takes_a_series_out_of_what_waits_for_review(route: Route) -> None:
    in_review(route)
    assert excluding.exclude(scout(), "ada", LATER, "it shows her face") == Done(2)
    assert revisions() == [("review", 3, None), ("excluded", 2, SCOUT)]
    ordinals_are_whole()
    review.approve(Revision.objects.get(series=None), "ada", LATER)
    pipeline.settle(LATER)
    assert {(row.total, row.revision.series_id) for row in Delivery.objects.all()} == {(3, None)}
    assert balanced() == dict.fromkeys(("archive", "outbox"), (5, 2, 3, 0))
    [(actor, purpose, detail)] = marks("study.series-excluded")
    assert (actor, purpose, detail["images"]) == ("ada", "it shows her face", 2)
    assert detail["series"] == SCOUT


def test_what_comes_of_it_later_stays_too_by_whatever_route(route: Route) -> None:
    in_review(route)
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    other = Route.objects.create(called_ae="OTHER", project=route.project)
    other.destinations.add(Destination.objects.get(name="archive"))
    late: dict[str, Any] = {"received_at": LATER, "quiet_at": LATER + QUIET}
    index.place([arrival(route, 7, SCOUT, **late), arrival(other, 8, SCOUT, **late)])
    pipeline.settle(LATER + QUIET)
    assert [state for state, _, series in revisions() if series] == ["excluded"] * 3
    assert balanced()["archive"][1] == 4


def test_all_of_a_revision_is_set_aside_as_it_is(route: Route) -> None:
    in_review(route)
    excluding.exclude(Series.objects.get(uid=SCAN), "ada", LATER, "wrong")
    excluding.exclude(scout(), "ada", LATER, "wrong, too")
    assert revisions() == [("excluded", 2, SCOUT), ("excluded", 3, SCAN)]
    ordinals_are_whole()
    assert balanced()["outbox"] == (5, 5, 0, 0)


def test_while_it_arrives_the_rest_goes_on_arriving(route: Route) -> None:
    index.place([arrival(route, 1), arrival(route, 1, SCOUT)])
    excluding.exclude(scout(), "ada", NOON, "it shows her face")
    index.place([arrival(route, 2), arrival(route, 2, SCOUT), arrival(route, 3)])
    ordinals_are_whole()
    pipeline.settle(LATER)
    assert revisions() == [("released", 3, None), ("excluded", 1, SCOUT), ("excluded", 1, SCOUT)]


def test_what_was_rejected_cannot_bring_it_out_again(route: Route) -> None:
    in_review(route)
    main = Revision.objects.get()
    review.reject(main, "ada", "wrong position")
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    review.reconsider(main, "ada")
    review.approve(Revision.objects.get(pk=main.pk), "ada", LATER)
    pipeline.settle(LATER)
    assert {row.total for row in Delivery.objects.all()} == {3}


@pytest.mark.parametrize("how", ["claimed", "delivered"])
def test_what_has_gone_everywhere_or_is_being_sent_is_not_called_back_and_that_is_said(
    route: Route, how: str
) -> None:
    index.place([arrival(route, 1), arrival(route, 1, SCOUT)])
    pipeline.settle(LATER)
    rows = (
        Delivery.objects.all() if how == "delivered" else Delivery.objects.filter(destination__name="outbox")
    )
    rows.update(state=how, **({"acknowledged": 2, "acks": b"\x03"} if how == "delivered" else {}))
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(0, 1)
    assert revisions() == [("released", 2, None)]
    index.place([arrival(route, 2, SCOUT, received_at=LATER, quiet_at=LATER + QUIET)])
    pipeline.settle(LATER + QUIET)
    assert revisions()[1] == ("excluded", 1, SCOUT)


def test_decided_again_when_nobody_sends_it_any_more_it_is_held_back(route: Route) -> None:
    index.place([arrival(route, 1), arrival(route, 1, SCOUT)])
    pipeline.settle(LATER)
    Delivery.objects.filter(destination__name="outbox").update(state="claimed")
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(0, 1)
    Delivery.objects.update(state="waiting")
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(1)
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Undone(excluding.EXCLUDED_ALREADY)
    assert accounts() == {"archive": (0, 1, 1), "outbox": (0, 1, 1)}


def half_out(route: Route, acks: bytes, state: str = "waiting") -> None:
    """Scan 1, scout 1, scan 2, scout 2: the archive has those of `acks`, and the outbox is away."""
    index.place([arrival(route, 1), arrival(route, 1, SCOUT), arrival(route, 2), arrival(route, 2, SCOUT)])
    pipeline.settle(LATER)
    archive = Delivery.objects.filter(destination__name="archive")
    archive.update(acks=acks, acknowledged=acks[0].bit_count(), state=state)


def accounts() -> dict[str, tuple[int, int, int]]:
    """Delivered, excluded and in flight."""
    lines = ledger.balance()
    assert all(line.difference == 0 for line in lines), lines
    return {line.destination: (line.delivered, line.excluded, line.in_flight) for line in lines}


def test_what_one_destination_has_the_other_does_not_get(route: Route) -> None:
    half_out(route, b"\x0f", "delivered")
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(2)
    assert revisions() == [("released", 2, None), ("excluded", 2, SCOUT)]
    ordinals_are_whole()
    assert accounts() == {"archive": (4, 0, 0), "outbox": (0, 2, 2)}
    assert list(ledger.recount()) == []
    claim = queue.claim(LATER, "token")
    assert claim is not None
    assert Delivery.objects.get(pk=claim.delivery_id).total == 2
    assert queue.claim(LATER, "another") is None


def test_what_was_acknowledged_stays_so_image_by_image(route: Route) -> None:
    half_out(route, b"\x06")  # scout 1 and scan 2
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(2)
    main, aside = Revision.objects.order_by("number")
    there = {(row.revision_id, row.destination.name): bytes(row.acks) for row in Delivery.objects.all()}
    assert there[main.pk, "archive"] == b"\x02", "scan 2 is its second image now"
    assert there[aside.pk, "archive"] == b"\x01"
    assert accounts() == {"archive": (2, 1, 1), "outbox": (0, 2, 2)}
    assert list(ledger.recount()) == []


def test_a_revision_of_nothing_else_that_one_has_is_given_up_for_the_other(route: Route) -> None:
    index.place([arrival(route, 1, SCOUT)])
    pipeline.settle(LATER)
    Delivery.objects.filter(destination__name="archive").update(
        acks=b"\x01", acknowledged=1, state="delivered"
    )
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(1)
    assert revisions() == [("excluded", 1, SCOUT)]
    assert accounts() == {"archive": (1, 0, 0), "outbox": (0, 1, 0)}
    assert queue.claim(LATER, "token") is None


@pytest.mark.parametrize("alone", [True, False])
def test_included_again_it_goes_on_to_who_has_none_of_it(route: Route, alone: bool) -> None:
    half_out(route, b"\x0f", "delivered")
    if alone:
        recalling.exclude(Series.objects.get(uid=SCAN), "ada", LATER, "wrong")
    recalling.exclude(scout(), "ada", LATER, "it shows her face")
    assert recalling.include(scout(), "ben", LATER, "it does not") == Done(2)
    pipeline.settle(LATER)
    assert accounts() == {"archive": (4, 0, 0), "outbox": (0, 2, 2) if alone else (0, 0, 4)}
    assert queue.claim(LATER, "token") is not None


@pytest.mark.parametrize("how", [{}, {"state": "refused", "attempts": 3}, {"state": "dropped"}])
def test_what_only_waits_for_its_destinations_is_called_back(route: Route, how: dict[str, Any]) -> None:
    index.place([arrival(route, 1, SCOUT), arrival(route, 1), arrival(route, 2)])
    pipeline.settle(LATER)
    Delivery.objects.update(**how)
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(1)
    assert revisions() == [("released", 2, None), ("excluded", 1, SCOUT)]
    ordinals_are_whole()
    assert {row.total for row in Delivery.objects.all()} == {2}
    assert balanced()["outbox"][:2] == (3, 3 if how.get("state") == "dropped" else 1)
    assert list(ledger.recount()) == []


def test_a_revision_of_nothing_else_waits_no_more_and_goes_when_it_is_included(route: Route) -> None:
    index.place([arrival(route, 1, SCOUT)])
    pipeline.settle(LATER)
    assert recalling.exclude(scout(), "ada", LATER, "it shows her face") == Done(1)
    assert revisions() == [("excluded", 1, SCOUT)]
    assert queue.claim(LATER, "token") is None
    assert balanced()["outbox"] == (1, 1, 0, 0)
    excluding.include(scout(), "ben", LATER, "it does not")
    assert pipeline.settle(LATER) == 1
    assert {row.total for row in Delivery.objects.all()} == {1}


@pytest.mark.parametrize("comment", ["", "   "])
def test_nothing_is_decided_without_a_comment(route: Route, comment: str) -> None:
    in_review(route)
    assert excluding.exclude(scout(), "ada", LATER, comment) == Undone(excluding.NO_COMMENT)
    assert excluding.include(scout(), "ada", LATER, comment) == Undone(excluding.NO_COMMENT)
    assert not Exclusion.objects.exists()


def test_twice_is_as_once(route: Route) -> None:
    in_review(route)
    excluding.exclude(scout(), "ada", LATER, "once")
    assert excluding.exclude(scout(), "ben", LATER, "twice") == Undone(excluding.EXCLUDED_ALREADY)
    assert len(marks("study.series-excluded")) == 1


def test_promise_3_files_of_what_is_excluded_stay_until_a_person_lets_them_go(route: Route) -> None:
    in_review(route)
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    row = Revision.objects.select_related("study").get(state="excluded")
    facts = facts_of([row])[row.pk]
    years_later = LATER + timedelta(days=4000)
    kept = decide(facts, Policy(timedelta(0)), years_later)
    assert isinstance(kept, Keep)
    assert "excluded" in kept.reason
    assert isinstance(decide(facts, Policy(timedelta(0), rejected=True), years_later), Go)


def test_who_asks_for_commitment_hears_that_it_will_not_arrive(route: Route) -> None:
    in_review(route)
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    aside, main = Revision.objects.get(state="excluded"), Revision.objects.get(state="review")
    assert arrivals.everywhere([(aside.pk, 0), (main.pk, 0)]) == {
        (aside.pk, 0): "given up", (main.pk, 0): "on its way",
    }  # fmt: skip


# --- included again ---------------------------------------------------------------------------------------


def test_what_a_person_includes_again_goes_out_against_the_rule_and_later_too(route: Route) -> None:
    index.place([arrival(route, 1), screen(route)])
    pipeline.settle(LATER)
    series = Series.objects.get(uid=SCREEN)
    assert excluding.include(series, "ben", LATER, "the physicist needs it") == Done(1)
    late: dict[str, Any] = {"received_at": LATER, "quiet_at": LATER + QUIET}
    index.place([screen(route, 2, **late)])
    pipeline.settle(LATER + QUIET)
    assert [(state, total) for state, total, _ in revisions()] == [("released", 1)] * 3
    assert Delivery.objects.count() == 6
    assert balanced()["outbox"] == (3, 0, 3, 0)
    [(actor, purpose, _)] = marks("study.series-included")
    assert (actor, purpose) == ("ben", "the physicist needs it")
    assert excluding.of_study(Study.objects.get()) == []


def test_what_was_still_arriving_goes_the_way_of_its_route(route: Route) -> None:
    Route.objects.update(review=True)
    index.place([screen(route)])
    excluding.include(Series.objects.get(), "ben", NOON, "the physicist needs it")
    pipeline.settle(LATER)
    assert revisions() == [("review", 1, SCREEN)]


def test_one_that_is_not_excluded_or_held_is_not_included(route: Route) -> None:
    in_review(route)
    assert excluding.include(scout(), "ben", LATER, "why not") == Undone(excluding.NOT_EXCLUDED)
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    Study.objects.update(held_at=LATER)
    assert excluding.include(scout(), "ben", LATER, "why not") == Undone(excluding.HELD)


def test_excluded_included_and_excluded_again(route: Route) -> None:
    in_review(route)
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    excluding.include(scout(), "ben", LATER, "it does not")
    assert excluding.exclude(scout(), "ada", LATER, "it does") == Done(0, 2)
    index.place([arrival(route, 9, SCOUT, received_at=LATER, quiet_at=LATER + QUIET)])
    pipeline.settle(LATER + QUIET)
    assert revisions()[-1] == ("excluded", 1, SCOUT)


def test_its_page_says_why(route: Route) -> None:
    in_review(route)
    index.place([screen(route)])
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    assert excluding.of_study(Study.objects.get()) == [
        "Series 5 CT (2 images kept) is excluded by ada on 2026-05-04 13:00 UTC: it shows her face",
        "Series 5 CT (1 image kept) is excluded by the rule “*protocol*” of the route * → DICOMRCV.",
    ]


def test_deliveries_of_what_is_left_are_opened_once(route: Route) -> None:
    in_review(route)
    excluding.exclude(scout(), "ada", LATER, "it shows her face")
    main = Revision.objects.get(state="review")
    review.approve(main, "ada", LATER)
    assert queue.open_for(main, main.destinations.all(), LATER) == 2
    assert queue.open_for(main, main.destinations.all(), LATER) == 0
