"""A person excludes a series whose study is released: from then on nothing of it leaves, whatever is done next."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from proxy import pipeline
from proxy.deliveries import decisions, ledger, packing, queue, recalling
from proxy.deliveries.agents import folder
from proxy.deliveries.models import Delivery
from proxy.deliveries.outcomes import Delivered, Refused, TryLater
from proxy.deliveries.parcel import Parcel
from proxy.deliveries.replay import Amount, Span, outlook, replay
from proxy.routing.models import Destination, Project, Route
from proxy.storage import keys
from proxy.studies import index, quiet
from proxy.studies.excluding import Done
from proxy.studies.models import Instance, Revision, Series
from tests.studies.test_excluding import LATER, NOON, QUIET, SCAN, SCOUT, arrival

pytestmark = pytest.mark.django_db

SOON = LATER + timedelta(hours=1)
WHY = "it shows her face"


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path) -> Iterator[None]:
    keys.ensure(tmp_path / "keys")
    data = tmp_path / "data"
    with override_settings(KEY_DIR=tmp_path / "keys", DATA_DIR=data, DICOM_STORAGE_DIR=data):
        yield


def a_route(*names: str, **facts: object) -> Route:
    project = Project.objects.create(name="default")
    made = Route.objects.create(called_ae="DICOMRCV", project=project)
    for name in names:
        made.destinations.add(Destination.objects.create(name=name, kind="folder", path=name, **facts))
    return made


def released(route: Route, *images: tuple[int, str]) -> None:
    index.place([arrival(route, number, series) for number, series in images])
    pipeline.settle(LATER)


BOTH = ((1, SCAN), (1, SCOUT), (2, SCAN), (2, SCOUT))


def scout() -> Series:
    return Series.objects.get(uid=SCOUT)


def delivered(name: str) -> None:
    """One after the other, as a worker does it."""
    rows = Destination.objects.exclude(name=name)
    rows.update(paused_at=LATER)
    while claim := queue.claim(LATER, "worker"):
        queue.progress(claim, range(Delivery.objects.get(pk=claim.delivery_id).total))
        queue.finish(claim, Delivered(), LATER)
    rows.update(paused_at=None)


def states() -> list[str]:
    return list(Revision.objects.order_by("number").values_list("state", flat=True))


def balanced() -> bool:
    return all(line.difference == 0 for line in ledger.balance()) and not list(ledger.recount())


# --- nothing of it leaves -------------------------------------------------------------------------


def test_what_is_excluded_after_it_was_listed_for_delivery_gets_none() -> None:
    route = a_route("archive")
    index.place([arrival(route, 1, SCOUT)])
    quiet.close_quiet(LATER)
    Revision.objects.update(state="released", released_at=LATER)
    listed = quiet.awaiting_deliveries()
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(1)
    assert [pipeline.open_deliveries(revision, LATER) for revision in listed] == [0]
    assert queue.claim(SOON, "worker") is None
    assert (states(), Delivery.objects.count(), balanced()) == (["excluded"], 0, True)


def replayed(name: str) -> Amount:
    destination, span = Destination.objects.get(name=name), Span.of(NOON, None, SOON)
    expected = outlook(destination, span)
    assert replay(destination, span, "ben", SOON) == expected
    return expected


def test_what_is_excluded_goes_to_nobody_once_more() -> None:
    released(a_route("archive", "outbox"), *BOTH)
    delivered("archive")
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(2)
    aside = Delivery.objects.filter(revision__state="excluded")
    assert [decisions.retry(one, "ben", SOON) for one in aside] == [False, False]
    assert replayed("archive") == Amount(1, 2, excluded=1)
    assert set(aside.values_list("destination__name", "state")) == {
        ("archive", "delivered"),
        ("outbox", "dropped"),
    }
    while claim := queue.claim(SOON, "worker"):
        assert Revision.objects.get(pk=claim.revision_id).series is None
        queue.finish(claim, Delivered(), SOON)
    assert balanced()


def test_what_was_out_everywhere_before_its_series_was_excluded_stays_as_it_is_and_that_is_counted() -> None:
    released(a_route("archive"), *BOTH)
    delivered("archive")
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(0, 2)
    assert replayed("archive") == Amount(0, 0, excluded=1)
    assert not decisions.retry(Delivery.objects.get(), "ben", SOON)
    assert queue.claim(SOON, "worker") is None
    assert (states(), balanced()) == (["delivered"], True)
    recalling.include(scout(), "ben", SOON, "it does not")
    assert replayed("archive") == Amount(1, 4)


def test_what_failed_after_its_series_was_excluded_goes_once_it_was_excluded_again() -> None:
    released(a_route("archive"), *BOTH)
    claim = queue.claim(LATER, "worker")
    assert claim is not None
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(0, 2), "it is being sent"
    queue.finish(claim, Refused("The peer cannot understand it."), LATER)
    delivery = Delivery.objects.get()
    assert not decisions.retry(delivery, "ben", SOON)
    assert recalling.exclude(scout(), "ada", SOON, WHY) == Done(2)
    assert decisions.retry(delivery, "ben", SOON)
    assert Delivery.objects.get(state="waiting").total == 2


def test_a_rule_of_another_route_keeps_nothing_from_being_sent_again() -> None:
    route = a_route("archive")
    other = Route.objects.create(called_ae="OTHER", project=route.project, exclude=["*scout*"])
    released(route, *BOTH)
    delivered("archive")
    index.place([arrival(other, 9, SCOUT, rule="*scout*", received_at=LATER, quiet_at=LATER + QUIET)])
    assert replayed("archive") == Amount(1, 4)


# --- what is there already ------------------------------------------------------------------------


def with_files(route: Route, *images: tuple[int, str]) -> None:
    released(route, *images)
    for image in Instance.objects.all():
        place = Path(settings.DICOM_STORAGE_DIR) / "studies" / image.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(image.uid.encode())


def sends(images: int, now: datetime = LATER) -> None:
    """A worker brings as many to a folder, and then the folder is full."""
    claim = queue.claim(now, "worker")
    assert claim is not None

    def acknowledge(ordinals: Sequence[int]) -> None:
        assert queue.progress(claim, ordinals)

    parcel = packing.pack(claim)
    assert isinstance(parcel, Parcel)
    few = replace(parcel, items=parcel.items[:images])
    folder.deliver(few, acknowledge, lambda: True)
    queue.finish(claim, TryLater("It is full."), now)


def on_the_shelf() -> set[str]:
    return {file.read_text() for file in (Path(settings.DATA_DIR) / "archive").rglob("*.dcm")}


NUMBERED = "{patient_id}/{study_uid}/{revision}/{n}.dcm"


def test_promise_4_what_a_folder_has_by_number_is_not_replaced_by_what_is_numbered_anew() -> None:
    with_files(a_route("archive", template=NUMBERED), (1, SCOUT), *BOTH[:1], (2, SCOUT), (2, SCAN))
    sends(3)
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(0, 2), "too late, and that is said"
    sends(1, SOON)
    uids = set(Instance.objects.values_list("uid", flat=True))
    assert (on_the_shelf(), Delivery.objects.get().acknowledged) == (uids, 4)
    assert balanced()


@pytest.mark.parametrize(
    ("template", "first"), [(NUMBERED, 0), ("{patient_id}/{study_uid}/{n}-{instance_uid}.dcm", 3), ("", 3)]
)
def test_where_names_stay_as_they_are_it_is_held_back(template: str, first: int) -> None:
    with_files(a_route("archive", template=template), *BOTH)
    sends(first)
    there = on_the_shelf()
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(2)
    sends(4, SOON)
    scans = Instance.objects.filter(series__uid=SCAN).values_list("uid", flat=True)
    assert on_the_shelf() == there | set(scans) and balanced()


def test_a_revision_of_one_series_has_its_numbers_for_good_and_is_held_back() -> None:
    with_files(a_route("archive", template=NUMBERED), (1, SCOUT), (2, SCOUT))
    sends(1)
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(2)
    assert queue.claim(SOON, "worker") is None and len(on_the_shelf()) == 1 and balanced()


# --- included again -------------------------------------------------------------------------------


def test_what_every_destination_had_is_delivered_once_it_is_included_again() -> None:
    released(a_route("archive"), (1, SCOUT), (2, SCOUT), (1, SCAN))
    Delivery.objects.update(acks=b"\x03", acknowledged=2)
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(2)
    assert recalling.include(scout(), "ben", SOON, "it does not") == Done(2)
    aside = Revision.objects.get(series=scout())
    assert (aside.state, aside.ended_at) == ("delivered", SOON), "its retention begins"
    assert balanced()


def test_what_a_person_had_given_up_for_a_reason_of_their_own_stays_given_up() -> None:
    released(a_route("archive", "outbox"), *BOTH)
    delivered("archive")
    assert decisions.drop(Delivery.objects.get(destination__name="outbox"), "ada", LATER, "it is for others")
    Revision.objects.update(state="released")
    assert recalling.exclude(scout(), "ada", LATER, WHY) == Done(2)
    assert recalling.include(scout(), "ben", SOON, "it does not") == Done(2)
    assert queue.claim(SOON, "worker") is None
    assert set(Delivery.objects.values_list("destination__name", "state")) == {
        ("archive", "delivered"), ("outbox", "dropped"),
    }  # fmt: skip
