"""Promise 4 with a real database: whatever happens, the difference is 0, and what must not happen shows."""

import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.books import closing
from proxy.books.counting import count, one_day
from proxy.deliveries import ledger, queue
from proxy.deliveries.ledger import Line
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Instance, Revision, Study
from tests.deliveries.builders import NOW, ROOT, a_folder, a_peer, a_revision, a_route, opened, seconds

pytestmark = pytest.mark.django_db


def a_held_item(*destinations: Destination, state: str = "held", study: int = 1) -> HeldItem:
    route = a_route()
    item = HeldItem.objects.create(
        project=route.project,
        route=route,
        state=state,
        code="burned-in",
        reason="Text in the pixels.",
        study_uid=f"{ROOT}.{study}",
        transfer_syntax="1.2.840.10008.1.2.1",
        path=secrets.token_hex(8),
        size=1,
        held_at=NOW,
    )
    item.destinations.set(destinations)
    return item


def the_line() -> Line:
    (line,) = ledger.balance()
    return line


def test_a_house_without_images_balances() -> None:
    a_folder()
    assert ledger.balance() == [Line("outbox", 0, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("state", "column"),
    [
        (study_life.RECEIVING, "in_flight"),
        (study_life.COMPLETE, "in_flight"),
        (study_life.REVIEW, "held"),
        (study_life.REJECTED, "excluded"),
        (study_life.EXPIRED, "excluded"),
    ],
)
def test_images_without_a_delivery_are_counted_by_their_revision__promise_4(state: str, column: str) -> None:
    a_revision(images=5, state=state, destinations=(a_folder(),))
    line = the_line()
    assert (line.received, getattr(line, column), line.difference) == (5, 5, 0)


def test_images_of_a_held_study_are_held_until_they_were_released__promise_4() -> None:
    outbox = a_folder()
    a_revision(1, 4, state=study_life.COMPLETE, destinations=(outbox,))
    opened(a_revision(1, 3, number=2, destinations=(outbox,)), outbox)
    Study.objects.update(held_at=NOW)
    assert the_line() == Line("outbox", 7, 0, 0, held=4, in_flight=3)


def test_each_delivery_is_counted_by_what_was_acknowledged__promise_4() -> None:
    outbox = a_folder()
    states = {"waiting": 1, "claimed": 2, "refused": 3, "dropped": 0, "delivered": 5}
    for study, (state, acknowledged) in enumerate(states.items()):
        opened(a_revision(study, 5, destinations=(outbox,)), outbox)
        mine = Delivery.objects.filter(revision__study__uid=f"{ROOT}.{study}")
        mine.update(state=state, acknowledged=acknowledged)
    assert the_line() == Line("outbox", 25, delivered=11, excluded=5, held=0, in_flight=9)
    assert the_line().difference == 0


def test_promise_4_what_a_destination_does_not_commit_to_yet_is_not_delivered() -> None:
    archive = a_peer()
    Destination.objects.update(commitment=True)
    states = {"waiting": (5, 0), "claimed": (5, 1), "refused": (4, 2), "dropped": (3, 1), "delivered": (5, 5)}
    for study, (state, (acknowledged, committed)) in enumerate(states.items()):
        opened(a_revision(study, 5, destinations=(archive,)), archive)
        mine = Delivery.objects.filter(revision__study__uid=f"{ROOT}.{study}")
        mine.update(state=state, acknowledged=acknowledged, committed=committed)
    line = the_line()
    assert (line.delivered, line.excluded, line.in_flight, line.committed) == (9, 4, 12, 9)
    assert line.difference == 0


def test_promise_4_a_day_is_not_over_while_a_destination_has_yet_to_commit() -> None:
    archive = a_peer()
    Destination.objects.update(commitment=True)
    [row] = opened(a_revision(destinations=(archive,)), archive)
    Delivery.objects.update(acknowledged=3, acks=b"\x07")
    assert not closing.is_over(count([one_day(NOW.date())]))
    Delivery.objects.filter(pk=row.pk).update(state="delivered", committed=3, commits=b"\x07")
    assert closing.is_over(count([one_day(NOW.date())]))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("held", Line("outbox", 1, 0, 0, held=1, in_flight=0)),
        ("discarded", Line("outbox", 1, 0, excluded=1, held=0, in_flight=0)),
        ("expired", Line("outbox", 1, 0, excluded=1, held=0, in_flight=0, expired=1)),
        ("released", Line("outbox", 0, 0, 0, 0, 0)),
        ("duplicate", Line("outbox", 0, 0, 0, 0, 0)),
    ],
)
def test_a_held_image_is_counted_once_wherever_it_ends__promise_4(state: str, expected: Line) -> None:
    a_held_item(a_folder(), state=state)
    assert the_line() == expected


def test_a_released_revision_whose_delivery_is_missing_shows_as_a_difference__promise_4() -> None:
    outbox, archive = a_folder(), a_peer()
    opened(a_revision(images=4, destinations=(outbox, archive)), archive)
    differences = {line.destination: line.difference for line in ledger.balance()}
    assert differences == {"ARCHIVE": 0, "outbox": 4}


def test_an_image_that_vanished_from_the_index_shows_as_a_difference__promise_4() -> None:
    outbox = a_folder()
    opened(a_revision(images=4, destinations=(outbox,)), outbox)
    Instance.objects.filter(ordinal=3).delete()
    assert the_line().difference == -1


def test_each_destination_has_its_own_line_and_a_retired_one_only_if_it_had_images() -> None:
    outbox, archive, old = a_folder(), a_peer(), a_folder("old")
    opened(a_revision(images=2, destinations=(outbox, old)), outbox, old)
    Destination.objects.filter(pk=old.pk).update(retired_at=NOW)
    a_folder("never used").delete()
    assert [(line.destination, line.received) for line in ledger.balance()] == [
        ("ARCHIVE", 0),
        ("old", 2),
        ("outbox", 2),
    ]
    Delivery.objects.filter(destination=old).delete()
    Revision.objects.get().destinations.remove(old)
    assert [line.destination for line in ledger.balance()] == ["ARCHIVE", "outbox"]
    assert archive.name in {line.destination for line in ledger.balance()}


def test_a_study_has_a_balance_of_its_own() -> None:
    outbox, archive = a_folder(), a_peer()
    first = a_revision(1, 2, destinations=(outbox,))
    opened(first, outbox)
    opened(a_revision(2, 7, destinations=(outbox, archive)), outbox, archive)
    a_held_item(outbox, study=1)
    a_held_item(outbox, study=2)
    assert ledger.balance_of(first.study) == [Line("outbox", 3, 0, 0, held=1, in_flight=2)]


def test_a_recount_finds_a_counter_that_drifted() -> None:
    outbox = a_folder()
    for study in (1, 2, 3):
        opened(a_revision(study, 9, destinations=(outbox,)), outbox)
    claim = queue.claim(NOW, "t")
    assert claim is not None
    queue.progress(claim, [1, 8])
    assert list(ledger.recount()) == []
    Delivery.objects.filter(pk=claim.delivery_id).update(acknowledged=5)
    last = Delivery.objects.order_by("pk").last()
    assert last is not None
    Instance.objects.filter(revision=last.revision, ordinal=0).delete()
    assert list(ledger.recount()) == [
        ledger.Drift(claim.delivery_id, "acknowledged", 5, 2),
        ledger.Drift(last.pk, "total", 9, 8),
    ]


STEPS = st.lists(
    st.sampled_from(["open", "claim", "progress", "deliver", "refuse", "lose", "hold"]), max_size=12
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS, st.integers(1, 12))
def test_the_books_balance_after_every_step_of_every_story__promise_4(steps: list[str], images: int) -> None:
    from proxy.deliveries.outcomes import Delivered, Refused

    _tidy()
    outbox = a_folder()
    revision = a_revision(images=images, destinations=(outbox,), state=study_life.COMPLETE)
    claim = None
    for step in steps:
        match step:
            case "open":
                Revision.objects.filter(pk=revision.pk, state=study_life.COMPLETE).update(
                    state=study_life.RELEASED
                )
                if not Revision.objects.filter(state=study_life.DELIVERED).exists():
                    queue.open_for(revision, [outbox], NOW)
            case "claim":
                claim = queue.claim(NOW, "t") or claim
            case "progress" if claim:
                queue.progress(claim, range(images // 2))
            case "deliver" if claim:
                queue.progress(claim, range(images))
                queue.finish(claim, Delivered(), NOW)
            case "refuse" if claim:
                queue.finish(claim, Refused("The peer cannot understand the image."), NOW)
            case "lose":
                queue.rescue(NOW + seconds(1e6))
            case "hold":
                a_held_item(outbox)
        line = the_line()
        assert line.difference == 0
        assert min(line.received, line.delivered, line.excluded, line.held, line.in_flight) >= 0


def _tidy() -> None:
    """Hypothesis runs many stories inside one test."""
    for model in (Delivery, HeldItem, Instance):
        model.objects.all().delete()
    for one in Revision.objects.all():
        one.destinations.clear()
        one.delete()
    Destination.objects.all().delete()
