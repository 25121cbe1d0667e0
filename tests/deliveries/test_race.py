"""Many workers at once, each in a thread with a database connection of its own."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connections, transaction
from django.test import override_settings

from proxy.deliveries import decisions, queue, replay
from proxy.deliveries.models import Attempt, Delivery
from proxy.deliveries.outcomes import Delivered, Refused
from proxy.studies.models import Revision
from tests.deliveries.builders import NOW, a_folder, a_revision, a_waiting_delivery, opened, seconds

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 6


def at_once(job: Callable[[int], object]) -> None:
    gate = threading.Barrier(THREADS)
    troubles: list[BaseException] = []

    def run(number: int) -> None:
        try:
            gate.wait(60)
            job(number)
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []


def test_of_many_workers_one_wins_the_delivery() -> None:
    a_waiting_delivery()
    wins: list[int] = []
    at_once(lambda number: wins.append(number) if queue.claim(NOW, f"t{number}") else None)
    assert len(wins) == 1
    assert Attempt.objects.count() == 1


def test_of_many_workers_one_is_sent_to_a_destination__promise_10() -> None:
    for study in range(1, 5):
        a_waiting_delivery(study)
    at_once(lambda number: queue.claim(NOW, f"t{number}"))
    assert Delivery.objects.filter(state="claimed").count() == 1


@override_settings(DELIVERY_AT_ONCE=3)
def test_a_setting_may_allow_more_at_once_and_no_more_than_that() -> None:
    for study in range(1, 9):
        a_waiting_delivery(study)
    at_once(lambda number: [queue.claim(NOW, f"t{number}-{turn}") for turn in range(3)])
    assert Delivery.objects.filter(state="claimed").count() == 3


def test_workers_that_empty_the_queue_together_do_each_delivery_once() -> None:
    folders = [a_folder(f"outbox-{n}") for n in range(3)]
    for study in range(1, 6):
        opened(a_revision(study, destinations=tuple(folders)), *folders)

    def work(number: int) -> None:
        while Delivery.objects.exclude(state="delivered").exists():
            claim = queue.claim(NOW, f"t{number}")
            if claim:
                assert queue.progress(claim, range(3))
                assert queue.finish(claim, Delivered(), NOW)

    at_once(work)
    tries = Counter(Attempt.objects.values_list("delivery_id", flat=True))
    assert set(tries.values()) == {1}
    assert len(tries) == 15
    assert set(Revision.objects.values_list("state", flat=True)) == {"delivered"}


def test_a_person_who_drops_and_a_worker_that_claims_never_both_win() -> None:
    for study in range(12):
        a_waiting_delivery(study)
    dropped: list[int] = []

    def work_or_drop(number: int) -> None:
        for delivery in Delivery.objects.order_by("pk"):
            if number % 2 and decisions.drop(delivery, "admin", NOW):
                dropped.append(delivery.pk)
            claim = None if number % 2 else queue.claim(NOW, f"t{number}-{delivery.pk}")
            if claim:
                assert queue.finish(claim, Refused("The peer cannot understand the image."), NOW)

    at_once(work_or_drop)
    assert len(dropped) == len(set(dropped))
    assert set(Delivery.objects.filter(pk__in=dropped).values_list("state", flat=True)) == {"dropped"}


def test_opening_from_many_processes_makes_one_delivery_for_each_destination() -> None:
    outbox = a_folder()
    revision = a_revision(destinations=(outbox,))
    counts: list[int] = []
    at_once(lambda _: counts.append(queue.open_for(revision, [outbox], NOW)))
    assert Delivery.objects.count() == 1
    assert 1 in counts


def test_who_replays_waits_for_who_has_locked_the_revision_and_holds_no_delivery_meanwhile() -> None:
    delivery = a_waiting_delivery()
    claim = queue.claim(NOW, "t")
    assert claim is not None and queue.progress(claim, range(3)) and queue.finish(claim, Delivered(), NOW)
    sent: list[replay.Amount] = []

    def replaying() -> None:
        later = NOW + seconds(9)
        sent.append(replay.replay(delivery.destination, replay.Span(NOW, later), "admin", later))
        connections.close_all()

    other = threading.Thread(target=replaying)
    with transaction.atomic():
        Revision.objects.select_for_update(no_key=True).get()
        other.start()
        time.sleep(0.5)
        assert Delivery.objects.filter(pk=delivery.pk).update(reason="looked at") == 1
    other.join(60)
    assert sent == [replay.Amount(1, 3)]
