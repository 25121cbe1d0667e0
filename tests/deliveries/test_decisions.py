"""What persons decide, and the mark it leaves."""

import pytest

from proxy.audit.models import Entry
from proxy.deliveries import decisions, ledger, queue
from proxy.deliveries.models import Delivery, Priority
from proxy.deliveries.outcomes import Delivered, Refused
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision
from tests.deliveries.builders import NOW, a_folder, a_peer, a_revision, a_waiting_delivery, opened, seconds

pytestmark = pytest.mark.django_db
ADMIN = "admin"


def attempted(outcome: Delivered | Refused, acknowledged: int = 3) -> Delivery:
    claim = queue.claim(NOW, "t")
    assert claim is not None
    queue.progress(claim, range(acknowledged))
    queue.finish(claim, outcome, NOW)
    return Delivery.objects.get(pk=claim.delivery_id)


def marks() -> list[tuple[str, str, object]]:
    return [(entry.actor, entry.subject, entry.detail["decision"]) for entry in Entry.objects.all()]


def test_a_refused_delivery_is_tried_again_and_sends_only_what_is_open() -> None:
    a_waiting_delivery()
    delivery = attempted(Refused("1 of 3 images refused: The peer cannot understand it."), acknowledged=2)
    assert decisions.retry(delivery, ADMIN, NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.acknowledged, delivery.attempts) == ("waiting", 2, 0)
    assert marks() == [(ADMIN, delivery.revision.study.uid, "retry")]


def test_a_delivered_one_is_sent_once_more_as_a_whole() -> None:
    a_waiting_delivery()
    delivery = attempted(Delivered())
    assert decisions.retry(delivery, ADMIN, NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.acknowledged, bytes(delivery.acks)) == ("waiting", 0, b"")
    assert delivery.revision.state == study_life.RELEASED
    assert ledger.balance()[0].difference == 0


def test_a_waiting_one_is_tried_at_once() -> None:
    delivery = a_waiting_delivery()
    Delivery.objects.update(next_try_at=NOW + seconds(500))
    assert decisions.retry(delivery, ADMIN, NOW)
    assert queue.claim(NOW, "t") is not None


def test_a_running_one_is_left_alone_and_nothing_is_marked() -> None:
    delivery = a_waiting_delivery()
    queue.claim(NOW, "t")
    assert not decisions.retry(delivery, ADMIN, NOW)
    assert not decisions.drop(delivery, ADMIN, NOW)
    assert marks() == []


def test_what_has_expired_cannot_be_sent_again() -> None:
    a_waiting_delivery()
    delivery = attempted(Delivered())
    Revision.objects.update(state=study_life.EXPIRED)
    assert not decisions.retry(delivery, ADMIN, NOW)
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_a_person_lets_a_study_go_first_or_last() -> None:
    old, new = a_waiting_delivery(1), a_waiting_delivery(2)
    assert decisions.prefer(new, Priority.URGENT, ADMIN)
    assert not decisions.prefer(new, Priority.URGENT, ADMIN)
    claim = queue.claim(NOW, "t")
    assert claim is not None and claim.delivery_id == new.pk
    assert marks() == [(ADMIN, new.revision.study.uid, "urgent")]
    Delivery.objects.filter(pk=old.pk).update(state="dropped")
    assert not decisions.prefer(old, Priority.BULK, ADMIN), "it is over"


def test_a_dropped_delivery_is_excluded_and_keeps_what_had_arrived__promise_4() -> None:
    a_waiting_delivery()
    delivery = attempted(Refused("2 of 3 images refused: The peer cannot understand it."), acknowledged=1)
    assert decisions.drop(delivery, ADMIN, NOW, "The project has ended.")
    (line,) = ledger.balance()
    assert (line.delivered, line.excluded, line.difference) == (1, 2, 0)
    assert Entry.objects.get().purpose == "The project has ended."


def test_dropping_the_last_open_one_completes_a_revision_that_someone_has__promise_3() -> None:
    outbox, archive = a_folder(), a_peer()
    revision = a_revision(destinations=(outbox, archive))
    one, other = opened(revision, outbox, archive)
    attempted(Delivered())
    assert decisions.drop(other, ADMIN, NOW)
    revision.refresh_from_db()
    assert revision.state == study_life.DELIVERED
    assert one.pk != other.pk


def test_a_revision_that_nobody_took_is_never_delivered__promise_3() -> None:
    delivery = a_waiting_delivery()
    decisions.drop(delivery, ADMIN, NOW)
    assert Revision.objects.get().state == study_life.RELEASED
    assert decisions.retry(delivery, ADMIN, NOW), "a person may still change their mind"


def test_a_paused_destination_stops_until_it_is_resumed() -> None:
    a_waiting_delivery()
    outbox = Destination.objects.get()
    assert decisions.pause(outbox, ADMIN, NOW)
    assert not decisions.pause(outbox, ADMIN, NOW)
    assert queue.claim(NOW, "t") is None
    assert decisions.resume(outbox, ADMIN)
    assert not decisions.resume(outbox, ADMIN)
    assert queue.claim(NOW, "t") is not None
    assert marks() == [(ADMIN, "outbox", "pause"), (ADMIN, "outbox", "resume")]


def test_resuming_ends_a_rest_too() -> None:
    a_waiting_delivery()
    Destination.objects.update(failures=9, rests_until=NOW + seconds(900))
    assert decisions.resume(Destination.objects.get(), ADMIN)
    assert queue.claim(NOW, "t") is not None
