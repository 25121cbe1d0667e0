"""The queue with a real database: who may claim what, and what becomes of it."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError
from django.test import override_settings

from proxy.deliveries import bitmap, queue
from proxy.deliveries.models import Attempt, Delivery
from proxy.deliveries.outcomes import Delivered, Outcome, Refused, TryLater
from proxy.deliveries.queue import Claim
from proxy.routing import breaker
from proxy.routing.models import Destination, Node, Project, Route
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision, Study
from tests.deliveries.builders import NOW, a_folder, a_peer, a_revision, a_waiting_delivery, opened, seconds

pytestmark = pytest.mark.django_db

DOWN = TryLater("The peer does not answer; check that it runs.")


def claimed(token: str = "t1") -> Claim:
    claim = queue.claim(NOW, token)
    assert claim is not None
    return claim


def a_project() -> Project:
    return Project.objects.get_or_create(name="default")[0]


def sent(claim: Claim) -> None:
    total = Delivery.objects.get(pk=claim.delivery_id).total
    assert queue.progress(claim, range(total))


def fail(times: int, outcome: Outcome = DOWN) -> None:
    for _ in range(times):
        assert queue.finish(claimed(), outcome, NOW)
        Delivery.objects.update(next_try_at=NOW)


def rested() -> None:
    """Its rest is over, and it was found to answer."""
    Destination.objects.update(rests_until=None, probed_at=NOW)


# --- opening --------------------------------------------------------------------------------------


def test_opening_twice_is_as_once() -> None:
    outbox, archive = a_folder(), a_peer()
    revision = a_revision(images=4, destinations=(outbox, archive))
    assert queue.open_for(revision, [outbox, archive], NOW) == 2
    assert queue.open_for(revision, [outbox, archive], NOW) == 0
    assert list(revision.deliveries.values_list("total", "state")) == [(4, "waiting")] * 2


def test_a_destination_named_later_gets_its_own_delivery_and_is_bound() -> None:
    outbox, archive = a_folder(), a_peer()
    revision = a_revision(destinations=(outbox,))
    opened(revision, outbox)
    assert queue.open_for(revision, [outbox, archive], NOW) == 1
    assert set(revision.destinations.all()) == {outbox, archive}


def test_a_new_destination_of_a_delivered_revision_makes_it_undelivered_again() -> None:
    outbox, archive = a_folder(), a_peer()
    revision = a_revision(state=study_life.DELIVERED, destinations=(outbox,))
    opened(revision, archive)
    revision.refresh_from_db()
    assert revision.state == study_life.RELEASED


# --- claiming -------------------------------------------------------------------------------------


def test_a_claim_carries_its_token_and_a_lease() -> None:
    delivery = a_waiting_delivery()
    claim = claimed("abc")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.token, delivery.attempts) == ("claimed", "abc", 1)
    assert delivery.lease_until == NOW + breaker.pace().lease
    assert claim.delivery_id == delivery.pk
    assert delivery.tries.count() == 1


def test_nothing_waiting_is_nothing_claimed() -> None:
    assert queue.claim(NOW, "t") is None


def test_the_delivery_that_has_been_due_for_longest_comes_first() -> None:
    for study, late in ((1, 5), (2, 20), (3, 10)):
        a_waiting_delivery(study)
        Delivery.objects.filter(revision__study__uid__endswith=f".{study}").update(
            next_try_at=NOW - seconds(late)
        )
    order = []
    for _ in range(3):
        claim = claimed()
        order.append(Delivery.objects.get(pk=claim.delivery_id).revision.study.uid[-1])
        sent(claim)
        queue.finish(claim, Delivered(), NOW)
    assert order == ["2", "3", "1"]


def test_a_delivery_is_not_claimed_before_its_time() -> None:
    delivery = a_waiting_delivery()
    Delivery.objects.update(next_try_at=NOW + seconds(1))
    assert queue.claim(NOW, "t") is None
    later = queue.claim(NOW + seconds(1), "t")
    assert later is not None
    assert later.delivery_id == delivery.pk


def test_a_destination_has_one_running_delivery_and_the_others_are_unhindered__promise_10() -> None:
    outbox, archive = a_folder(), a_peer()
    for study in (1, 2):
        a_waiting_delivery(study, to=outbox)
    a_waiting_delivery(3, to=archive)
    assert [claimed().destination_id, claimed().destination_id] == [outbox.pk, archive.pk]
    assert queue.claim(NOW, "t") is None


@pytest.mark.parametrize(
    "trouble",
    [
        {"paused_at": NOW},
        {"retired_at": NOW},
        {"rests_until": NOW + seconds(1)},
    ],
)
def test_a_destination_that_is_paused_retired_or_resting_is_passed_over__promise_10(
    trouble: dict[str, object],
) -> None:
    outbox, archive = a_folder(), a_peer()
    a_waiting_delivery(1, to=outbox)
    a_waiting_delivery(2, to=archive)
    Destination.objects.filter(pk=outbox.pk).update(**trouble)
    assert claimed().destination_id == archive.pk
    assert queue.claim(NOW, "t") is None


def test_a_destination_whose_node_is_retired_is_passed_over() -> None:
    a_waiting_delivery(to=a_peer())
    Node.objects.update(retired_at=NOW)
    assert queue.claim(NOW, "t") is None


def test_a_study_that_is_held_after_its_release_does_not_leave__promise_1() -> None:
    a_waiting_delivery()
    Study.objects.update(held_at=NOW)
    assert queue.claim(NOW, "t") is None
    Study.objects.update(held_at=None)
    assert queue.claim(NOW, "t") is not None


def test_a_study_that_is_held_while_it_is_sent_loses_its_lease__promise_1() -> None:
    a_waiting_delivery()
    claim = claimed()
    Study.objects.update(held_at=NOW)
    assert not queue.renew(claim, NOW)


# --- progress -------------------------------------------------------------------------------------


def test_acknowledgements_are_kept_by_bit_and_counted_once() -> None:
    delivery = a_waiting_delivery(images=10)
    claim = claimed()
    assert queue.progress(claim, [0, 9])
    assert queue.progress(claim, [9, 3])
    delivery.refresh_from_db()
    assert delivery.acknowledged == 3
    assert bitmap.missing(bytes(delivery.acks), 10) == [1, 2, 4, 5, 6, 7, 8]


def test_a_lost_claim_writes_no_progress_and_no_outcome() -> None:
    delivery = a_waiting_delivery()
    first = claimed("first")
    queue.rescue(NOW + breaker.pace().lease)
    Delivery.objects.update(next_try_at=NOW)
    second = claimed("second")
    assert not queue.progress(first, [0])
    assert not queue.renew(first, NOW)
    assert not queue.finish(first, Refused("No."), NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.token, delivery.acknowledged) == ("claimed", "second", 0)
    assert queue.progress(second, [0])


# --- finishing ------------------------------------------------------------------------------------


def test_a_delivery_is_done_when_all_is_acknowledged() -> None:
    delivery = a_waiting_delivery()
    claim = claimed()
    sent(claim)
    assert queue.finish(claim, Delivered(), NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.token, delivery.lease_until) == ("delivered", "", None)
    assert delivery.finished_at == NOW
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.acknowledged, attempt.ended_at) == ("delivered", 3, NOW)


def test_an_agent_that_claims_success_too_early_is_not_believed__promise_3() -> None:
    delivery = a_waiting_delivery()
    claim = claimed()
    queue.progress(claim, [0])
    queue.finish(claim, Delivered(), NOW)
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert delivery.reason == "2 of 3 images have no acknowledgement yet."


def test_a_delivery_that_failed_waits_longer_each_time() -> None:
    delivery = a_waiting_delivery()
    waits = []
    for _ in range(3):
        Delivery.objects.update(next_try_at=NOW)
        Destination.objects.update(failures=0, rests_until=None)
        queue.finish(claimed(), DOWN, NOW)
        delivery.refresh_from_db()
        waits.append((delivery.next_try_at - NOW).total_seconds())
    assert waits == [5, 10, 20]
    assert delivery.reason == DOWN.reason


def test_progress_shortens_the_pause_again() -> None:
    delivery = a_waiting_delivery()
    Delivery.objects.update(attempts=8)
    claim = claimed()
    queue.progress(claim, [1])
    queue.finish(claim, DOWN, NOW)
    delivery.refresh_from_db()
    assert delivery.next_try_at == NOW + breaker.pace().pause
    assert Destination.objects.get().failures == 0


def test_an_outcome_may_say_itself_when_to_try_again() -> None:
    delivery = a_waiting_delivery()
    queue.finish(claimed(), TryLater("Come back in an hour.", after=seconds(3600)), NOW)
    delivery.refresh_from_db()
    assert delivery.next_try_at == NOW + seconds(3600)


def test_a_refused_delivery_waits_for_a_person_and_keeps_its_progress() -> None:
    delivery = a_waiting_delivery()
    claim = claimed()
    queue.progress(claim, [0])
    queue.finish(claim, Refused("2 of 3 images refused: The peer cannot understand the image."), NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.acknowledged) == ("refused", 1)
    assert queue.claim(NOW + seconds(1e6), "t") is None


# --- destinations that rest -----------------------------------------------------------------------


def test_a_destination_rests_after_three_failed_attempts_in_a_row__promise_10() -> None:
    for study in range(1, 5):
        a_waiting_delivery(study)
    fail(3)
    destination = Destination.objects.get()
    assert destination.failures == 3
    assert destination.rests_until == NOW + breaker.pace().pause
    assert queue.claim(NOW, "t") is None
    assert Attempt.objects.count() == 3, "its queue was not burnt"


def test_what_a_destination_asks_for_holds_for_all_of_its_deliveries() -> None:
    """Retry-After of one delivery: the next one of the same destination waits, too."""
    a_waiting_delivery(1)
    a_waiting_delivery(2)
    busy = TryLater("The destination asks us to slow down (429).", after=seconds(77))
    assert queue.finish(claimed(), busy, NOW)
    assert Destination.objects.get().rests_until == NOW + seconds(77)
    assert queue.claim(NOW + seconds(76), "t2") is None
    assert queue.claim(NOW + seconds(77), "t2") is not None


def test_the_rest_grows_while_the_destination_stays_dead() -> None:
    a_waiting_delivery()
    fail(3)
    rested()
    fail(1)
    assert Destination.objects.get().rests_until == NOW + 2 * breaker.pace().pause


def test_success_ends_the_rest_and_drains_what_waited_because_of_it() -> None:
    for study in (1, 2):
        a_waiting_delivery(study)
    fail(3)
    rested()
    claim = claimed()
    Delivery.objects.filter(state="waiting").update(next_try_at=NOW + seconds(500))
    sent(claim)
    queue.finish(claim, Delivered(), NOW)
    destination = Destination.objects.get()
    assert (destination.failures, destination.rests_until, destination.trouble) == (0, None, "")
    assert claimed().delivery_id != claim.delivery_id


def test_trouble_of_our_own_rests_no_destination__promise_10() -> None:
    a_waiting_delivery()
    fail(5, TryLater("Postern was stopping.", rests=False))
    assert Destination.objects.get().failures == 0


def test_a_refusal_shows_that_the_destination_lives() -> None:
    a_waiting_delivery()
    fail(2)
    queue.finish(claimed(), Refused("The peer cannot understand the image."), NOW)
    assert Destination.objects.get().failures == 0


def test_after_a_rest_nothing_is_spent_on_a_destination_that_was_not_probed__promise_10() -> None:
    a_waiting_delivery()
    fail(3)
    later = NOW + seconds(1e6)
    assert queue.claim(later, "t") is None
    assert not queue.is_due(later)
    Destination.objects.update(probed_at=later)
    assert queue.claim(later, "t") is not None


def test_one_delivery_tries_what_was_found_to_answer() -> None:
    for study in (1, 2):
        a_waiting_delivery(study)
    Destination.objects.update(at_once=2, failures=3, probed_at=NOW)
    assert queue.claim(NOW, "t1") is not None
    assert queue.claim(NOW, "t2") is None


def test_a_delivery_that_fails_after_the_probe_asks_for_another_one() -> None:
    a_waiting_delivery()
    fail(3)
    rested()
    fail(1)
    destination = Destination.objects.get()
    assert (destination.failures, destination.probed_at, destination.trouble) == (4, None, DOWN.reason)


def test_who_takes_something_and_asks_for_a_rest_gets_it_without_a_failure() -> None:
    a_waiting_delivery(1)
    a_waiting_delivery(2)
    claim = claimed()
    queue.progress(claim, [0])
    queue.finish(claim, TryLater("The destination asks us to slow down (429).", after=seconds(77)), NOW)
    destination = Destination.objects.get()
    assert (destination.failures, destination.rests_until) == (0, NOW + seconds(77))
    assert queue.claim(NOW + seconds(76), "t") is None
    assert queue.claim(NOW + seconds(77), "t") is not None


def test_what_failed_before_a_probe_stands_behind_what_was_never_tried() -> None:
    """A study that brings its destination down would be the first again after each rest."""
    deadly, harmless = a_waiting_delivery(1), a_waiting_delivery(2)
    for _ in range(3):
        assert queue.claim(NOW, "t") is not None
        claim = Claim(deadly.pk, deadly.destination_id, deadly.revision_id, 0, "t", 1, 0)
        assert queue.finish(claim, TryLater("The peer hung up.", after=seconds(60)), NOW)
        Delivery.objects.filter(pk=deadly.pk).update(next_try_at=NOW)
        Destination.objects.update(rests_until=None)
    Delivery.objects.filter(pk=deadly.pk).update(next_try_at=NOW + seconds(60))
    probed = Destination.objects.get()
    assert breaker.answered(probed, NOW)
    assert claimed().delivery_id == harmless.pk


def test_what_alone_waits_for_a_destination_is_due_when_that_answers_again() -> None:
    a_waiting_delivery()
    assert queue.finish(claimed(), DOWN, NOW)
    Delivery.objects.update(next_try_at=NOW + seconds(900))
    Destination.objects.update(failures=3, rests_until=NOW)
    assert breaker.answered(Destination.objects.get(), NOW)
    assert queue.claim(NOW, "t") is not None


# --- turns, hours, limits ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("bulk", "routine", "urgent"), ("urgent", "bulk", "routine")])
def test_urgent_goes_before_routine_before_bulk_and_among_equals_the_older_one(
    order: tuple[str, ...],
) -> None:
    for study, priority in enumerate((*order, *order), start=1):
        Route.objects.update_or_create(
            called_ae="DICOMRCV", defaults={"priority": priority, "project": a_project()}
        )
        a_waiting_delivery(study)
    turns = []
    while claim := queue.claim(NOW, "t"):
        turns.append(Delivery.objects.get(pk=claim.delivery_id))
        sent(claim)
        queue.finish(claim, Delivered(), NOW)
    assert [one.get_priority_display() for one in turns] == ["Urgent"] * 2 + ["Routine"] * 2 + ["Bulk"] * 2
    assert all(early.pk < late.pk for early, late in zip(turns[::2], turns[1::2], strict=True))


def test_what_is_urgent_elsewhere_is_claimed_before_what_is_older_here() -> None:
    outbox, archive = a_folder(), a_peer()
    a_waiting_delivery(1, to=outbox)
    late = a_waiting_delivery(2, to=archive)
    Delivery.objects.filter(pk=late.pk).update(priority=0)
    assert claimed().destination_id == archive.pk
    assert claimed().destination_id == outbox.pk


def test_an_urgent_one_that_is_not_due_keeps_no_other_waiting() -> None:
    urgent, bulk = a_waiting_delivery(1), a_waiting_delivery(2)
    Delivery.objects.filter(pk=urgent.pk).update(priority=0, next_try_at=NOW + seconds(1))
    Delivery.objects.filter(pk=bulk.pk).update(priority=2)
    assert claimed().delivery_id == bulk.pk


def test_an_unknown_priority_is_refused_by_the_database() -> None:
    a_waiting_delivery()
    with pytest.raises(IntegrityError):
        Delivery.objects.update(priority=3)


def test_a_destination_may_have_more_at_once_than_others() -> None:
    outbox, archive = a_folder(), a_peer()
    Destination.objects.filter(pk=archive.pk).update(at_once=3)
    for study in range(1, 6):
        a_waiting_delivery(study, to=outbox)
        a_waiting_delivery(study + 10, to=archive)
    running: list[int] = []
    while claim := queue.claim(NOW, f"t{len(running)}"):
        running.append(claim.destination_id)
    assert sorted(running) == sorted([outbox.pk, *[archive.pk] * 3])


@override_settings(DELIVERY_AT_ONCE=4)
def test_a_destination_may_have_fewer_at_once_than_others() -> None:
    for study in range(1, 4):
        a_waiting_delivery(study)
    Destination.objects.update(at_once=1)
    claimed()
    assert queue.claim(NOW, "t2") is None


@override_settings(SITE_TIME_ZONE="Europe/Berlin")
def test_outside_its_hours_nothing_is_claimed_for_a_destination_and_the_others_go_on__promise_10() -> None:
    outbox, archive = a_folder(), a_peer()
    a_waiting_delivery(1, to=outbox)
    a_waiting_delivery(2, to=archive)
    Destination.objects.filter(pk=outbox.pk).update(windows=["22:00-06:00"])
    assert claimed().destination_id == archive.pk
    assert not queue.is_due(NOW)
    night = datetime(2026, 1, 15, 21, 0, tzinfo=UTC)
    assert queue.claim(night - seconds(1), "t") is None
    claim = queue.claim(night, "t")
    assert claim is not None
    assert claim.closes_at == night + seconds(8 * 3600)


@pytest.mark.parametrize("windows", [["night"], [7], [None], "22:00-06:00"])
def test_hours_that_cannot_be_read_hold_up_no_other_destination__promise_10(windows: object) -> None:
    outbox, archive = a_folder(), a_peer()
    a_waiting_delivery(1, to=outbox)
    a_waiting_delivery(2, to=archive)
    Destination.objects.filter(pk=outbox.pk).update(windows=windows)
    assert claimed().destination_id == archive.pk
    assert queue.claim(NOW, "t") is None


def test_what_was_spent_is_waited_for_and_holds_for_all_deliveries_of_the_destination() -> None:
    a_waiting_delivery(1)
    a_waiting_delivery(2)
    Destination.objects.update(images_per_minute=60, at_once=2)
    claim = claimed()
    assert claim.limits.images == 60
    queue.spend(claim, seconds(10), NOW)
    queue.spend(claim, seconds(5), NOW)
    assert queue.claim(NOW + seconds(14), "t2") is None
    assert queue.claim(NOW + seconds(15), "t2") is not None
    queue.spend(claim, seconds(5), NOW + seconds(100))
    assert Destination.objects.get().spent_until == NOW + seconds(105), "what was not used is not saved up"


def test_what_was_interrupted_keeps_its_turn() -> None:
    """Portion by portion one study goes after the other, and not all of them side by side."""
    first, _ = a_waiting_delivery(1), a_waiting_delivery(2)
    later = NOW + seconds(20)
    claim = queue.claim(later, "t")
    assert claim is not None
    queue.progress(claim, [0])
    queue.finish(claim, TryLater("2 of 3 images wait.", after=seconds(0), rests=False), later)
    again = queue.claim(later, "t")
    assert again is not None
    assert claim.delivery_id == again.delivery_id == first.pk
    assert again.number == 1, "no attempt of it has failed"


# --- rescuing -------------------------------------------------------------------------------------


def test_a_delivery_whose_worker_died_goes_on_where_it_stood__promise_12() -> None:
    delivery = a_waiting_delivery(images=5)
    queue.progress(claimed(), [0, 1])
    assert queue.rescue(NOW + seconds(59)) == 0
    assert queue.rescue(NOW + seconds(60)) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.token, delivery.acknowledged) == ("waiting", "", 2)
    assert Attempt.objects.get().outcome == "lost"


def test_a_renewed_lease_is_not_rescued() -> None:
    a_waiting_delivery()
    assert queue.renew(claimed(), NOW + seconds(30))
    assert queue.rescue(NOW + seconds(80)) == 0


# --- the revision ---------------------------------------------------------------------------------


def deliver_all(revision: Revision) -> None:
    while claim := queue.claim(NOW, "t"):
        sent(claim)
        queue.finish(claim, Delivered(), NOW)
    revision.refresh_from_db()


def test_a_revision_is_delivered_when_each_destination_has_it__promise_3() -> None:
    outbox, archive = a_folder(), a_peer()
    revision = a_revision(destinations=(outbox, archive))
    opened(revision, outbox, archive)
    Destination.objects.filter(pk=archive.pk).update(paused_at=NOW)
    deliver_all(revision)
    assert revision.state == study_life.RELEASED
    Destination.objects.update(paused_at=None)
    deliver_all(revision)
    assert revision.state == study_life.DELIVERED


def test_a_revision_with_a_bound_destination_that_got_no_delivery_is_not_delivered__promise_3() -> None:
    outbox, archive = a_folder(), a_peer()
    revision = a_revision(destinations=(outbox, archive))
    opened(revision, outbox)
    deliver_all(revision)
    assert revision.state == study_life.RELEASED


def test_an_unknown_state_is_refused_by_the_database() -> None:
    a_waiting_delivery()
    with pytest.raises(IntegrityError):
        Delivery.objects.update(state="somewhere")
