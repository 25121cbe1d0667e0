"""Whole deliveries: claim, parcel, agent, finish; with threads, restarts and surprises."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from django.utils import timezone

from proxy.deliveries import agents, attempt, decisions, ledger, queue, work
from proxy.deliveries.agents import Acknowledge, Agent, KeepGoing
from proxy.deliveries.models import Attempt, Delivery
from proxy.deliveries.outcomes import Delivered, Outcome, Result, TryLater, Verdict, fold
from proxy.deliveries.parcel import Parcel
from proxy.deliveries.replay import Span, replay
from proxy.deliveries.work import Workers
from proxy.routing import breaker
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision
from tests.aside import changed
from tests.cluster import free_port
from tests.deliveries.agents.peers import answering, storescp
from tests.deliveries.builders import a_folder, a_peer, a_revision, files_of, opened, place_of, real_files_of

pytestmark = pytest.mark.django_db(transaction=True)


def ready(study: int, *destinations: Destination, images: int = 3) -> Revision:
    """A released revision with files, waiting for each destination."""
    revision = a_revision(study, images, destinations=destinations)
    files_of(revision)
    opened(revision, *destinations, now=timezone.now())
    return revision


def use(monkeypatch: pytest.MonkeyPatch, **mine: Agent) -> None:
    monkeypatch.setattr(attempt, "AGENTS", {**agents.AGENTS, **mine})


def take_all(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
    acknowledge(sorted(parcel.ordinals))
    return Delivered()


@contextmanager
def running(workers: Workers) -> Iterator[Workers]:
    workers.start()
    try:
        yield workers
    finally:
        assert workers.stop(30)


def eventually(true: Callable[[], bool], within: float = 100) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_study_comes_out_in_the_folder(data: Path) -> None:
    revision = ready(1, a_folder())
    assert work.deliver_one(timezone.now())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.acknowledged) == ("delivered", 3)
    for instance in revision.instances.all():
        below = (
            Path(revision.study.patient) / revision.study.uid / instance.series.uid / f"{instance.uid}.dcm"
        )
        assert (data / "outbox" / below).read_bytes() == place_of(instance).read_bytes()
    revision.refresh_from_db()
    assert revision.state == study_life.DELIVERED
    assert not work.deliver_one(timezone.now())


def test_a_late_image_goes_out_alone_in_its_own_revision(data: Path) -> None:
    outbox = a_folder(as_zip=True)
    ready(1, outbox)
    work.deliver_one(timezone.now())
    second = a_revision(1, 1, number=2, destinations=(outbox,))
    files_of(second)
    opened(second, outbox, now=timezone.now())
    work.deliver_one(timezone.now())
    assert sorted(path.name for path in (data / "outbox").rglob("*.zip")) == [
        "2.25.4711.1-1.zip",
        "2.25.4711.1-2.zip",
    ]


def test_a_missing_file_is_never_delivered__promise_3() -> None:
    files_of(revision := ready(1, a_folder()))[1].unlink()
    work.deliver_one(timezone.now())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.acknowledged) == ("refused", 2)
    assert "cannot be read" in delivery.reason
    files_of(revision)
    Delivery.objects.update(state="waiting")
    work.deliver_one(timezone.now())
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_a_retry_sends_only_what_was_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[frozenset[int]] = []

    def half(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        sent.append(parcel.ordinals)
        first = min(parcel.ordinals)
        acknowledge([first])
        return (
            Delivered() if len(parcel.ordinals) == 1 else TryLater("The association was lost.", timedelta(0))
        )

    use(monkeypatch, folder=half)
    ready(1, a_folder(), images=3)
    while work.deliver_one(timezone.now()):
        pass
    assert sent == [{0, 1, 2}, {1, 2}, {2}]
    assert Delivery.objects.get().state == "delivered"
    assert list(Attempt.objects.order_by("pk").values_list("acknowledged", flat=True)) == [1, 1, 1]


def test_a_peer_that_refused_one_image_gets_only_that_one_again() -> None:
    odd = "2.25.4711.1.1.1.1"
    refuse = {odd}
    with answering(lambda uid: 0xC000 if uid in refuse else 0) as (port, heard):
        archive = a_peer(port=port)
        real_files_of(ready(1, archive))
        work.deliver_one(timezone.now())
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.acknowledged) == ("refused", 2)
        assert delivery.reason.startswith("1 of 3 images refused: 0xC000")
        assert len(heard) == 3
        refuse.clear()
        assert decisions.retry(delivery, "admin", timezone.now())
        work.deliver_one(timezone.now())
        assert heard[3:] == [odd]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.acknowledged) == ("delivered", 3)
    assert ledger.balance()[0].difference == 0


def test_a_worker_that_died_after_the_last_acknowledgement_needs_no_second_sending__promise_12() -> None:
    with answering(lambda _: 0) as (port, heard):
        ready(1, a_peer(port=port))
        claim = queue.claim(timezone.now(), "of a worker that died")
        assert claim is not None
        queue.progress(claim, range(3))
        queue.rescue(timezone.now() + breaker.pace().lease)
        Delivery.objects.update(next_try_at=timezone.now())
        work.deliver_one(timezone.now())
    assert heard == []
    assert Delivery.objects.get().state == "delivered"


def test_the_storage_folder_being_away_is_nobodys_refusal(data: Path) -> None:
    ready(1, a_folder())
    (data / "studies").rename(data / "elsewhere")
    work.deliver_one(timezone.now())
    delivery = Delivery.objects.get()
    assert delivery.state == "waiting"
    assert "storage folder" in delivery.reason
    assert Destination.objects.get().failures == 0


def test_a_surprise_keeps_the_progress_and_tells_nothing_it_quotes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def surprise(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        acknowledge([0])
        raise RuntimeError("Example^Ada")

    use(monkeypatch, folder=surprise)
    ready(1, a_folder())
    work.deliver_one(timezone.now())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.acknowledged) == ("waiting", 1)
    assert "RuntimeError" in delivery.reason
    assert "surprise" in caplog.text
    assert "Ada" not in caplog.text + delivery.reason


def test_a_hiccup_of_the_database_loses_no_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, calls = queue.progress, []

    def hiccup(*args: object) -> bool:
        calls.append(args)
        if len(calls) == 1:
            raise DatabaseError("locked")
        return honest(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(queue, "progress", hiccup)
    monkeypatch.setattr(attempt, "BATCH", 1)
    use(monkeypatch, folder=take_all)
    ready(1, a_folder())
    work.deliver_one(timezone.now())
    assert Delivery.objects.get().state == "delivered"


def test_acknowledgements_are_written_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, sizes = queue.progress, []

    def counted(claim: queue.Claim, ordinals: list[int]) -> bool:
        sizes.append(len(ordinals))
        return honest(claim, ordinals)

    def one_by_one(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        for ordinal in sorted(parcel.ordinals):
            acknowledge([ordinal])
        return Delivered()

    monkeypatch.setattr(queue, "progress", counted)
    monkeypatch.setattr(attempt, "BATCH_SECONDS", 60)
    use(monkeypatch, folder=one_by_one)
    ready(1, a_folder(), images=150)
    work.deliver_one(timezone.now())
    assert sizes == [64, 64, 22]
    assert Delivery.objects.get().state == "delivered"


@override_settings(DELIVERY_LEASE=3)  # a busy machine may forget us for a second
def test_the_heartbeat_holds_the_claim_longer_than_one_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    rescued: list[int] = []

    def slow(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        end = time.monotonic() + 3.6
        while time.monotonic() < end and keep_going():
            rescued.append(queue.rescue(timezone.now()))
            time.sleep(0.05)
        return take_all(parcel, acknowledge, keep_going)

    use(monkeypatch, folder=slow)
    ready(1, a_folder())
    work.deliver_one(timezone.now())
    assert sum(rescued) == 0
    assert Delivery.objects.get().state == "delivered"


@override_settings(DELIVERY_LEASE=1)
def test_an_agent_stops_when_its_claim_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def robbed(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        Delivery.objects.update(token="another's")
        eventually(lambda: not keep_going())
        acknowledge([0])
        return fold(parcel.ordinals, [], interrupted=True)

    use(monkeypatch, folder=robbed)
    ready(1, a_folder())
    work.deliver_one(timezone.now())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.token, delivery.acknowledged) == ("claimed", "another's", 0)


# --- workers --------------------------------------------------------------------------------------


def test_workers_empty_the_queue_and_the_books_balance__promise_4() -> None:
    folders = [a_folder(f"outbox-{n}") for n in range(3)]
    for study in range(6):
        ready(study, *folders)
    with running(Workers(4, idle=0.05)):
        eventually(lambda: not Delivery.objects.exclude(state="delivered").exists())
    assert all((line.received, line.delivered, line.difference) == (18, 18, 0) for line in ledger.balance())
    assert Attempt.objects.count() == 18


def test_a_destination_that_hangs_costs_the_others_one_worker__promise_10(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = threading.Event()

    def hangs(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        free.wait(100)
        return take_all(parcel, acknowledge, keep_going)

    use(monkeypatch, dimse=hangs)
    dead, outbox = a_peer(), a_folder()
    for study in range(5):
        ready(study, dead, outbox)
    with running(Workers(2, idle=0.05)):
        eventually(lambda: Delivery.objects.filter(destination=outbox, state="delivered").count() == 5)
        assert Delivery.objects.filter(destination=dead, state="claimed").count() == 1
        free.set()


@override_settings(DELIVERY_PAUSE=1, DELIVERY_PAUSE_MAX=1)
def test_a_peer_that_was_dead_is_found_by_echo_and_gets_everything_once(tmp_path: Path) -> None:
    """Three refused associations, then echoes only, then all studies; each attempt after the rest delivers."""
    port = free_port()
    archive = a_peer(port=port)
    for study in range(4):
        real_files_of(ready(study, archive))
    with running(Workers(2, idle=0.05)):
        eventually(lambda: Destination.objects.filter(failures__gte=5).exists())
        assert Attempt.objects.count() == 3
        with storescp(tmp_path / "there", port=port):
            eventually(lambda: not Delivery.objects.exclude(state="delivered").exists())
    assert Attempt.objects.count() == 3 + 4
    assert len(list((tmp_path / "there").iterdir())) == 12
    archive.refresh_from_db()
    assert (archive.failures, archive.trouble) == (0, "")


def test_destinations_that_keep_silent_when_they_are_probed_hold_up_nobody__promise_10(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent, free = threading.Semaphore(0), threading.Event()

    def hang(_: object) -> TryLater | None:
        silent.release()
        free.wait(100)
        return TryLater("It keeps silent.")

    monkeypatch.setattr("proxy.deliveries.probing.PROBES", {**agents.PROBES, "dimse": hang})
    use(monkeypatch, folder=take_all)
    for number in range(5):
        a_peer(f"PEER{number}")
    Destination.objects.update(failures=3, rests_until=timezone.now())
    with running(Workers(1, idle=0.05, patience=1000)):
        for _ in range(5):
            assert silent.acquire(timeout=100)
        ready(1, a_folder())
        eventually(lambda: Delivery.objects.filter(state="delivered").count() == 1)
        assert Destination.objects.filter(failures=3).count() == 5, "they are still being asked"
        free.set()
    assert Destination.objects.filter(failures=4, trouble="It keeps silent.").count() == 5


# --- limits and hours -----------------------------------------------------------------------------


def test_with_a_limit_a_study_goes_in_portions_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, list[int]]] = []

    def note(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        sent.append((parcel.delivery_id, sorted(parcel.ordinals)))
        return take_all(parcel, acknowledge, keep_going)

    use(monkeypatch, folder=note)
    outbox = a_folder()
    Destination.objects.update(images_per_minute=8)
    ready(1, outbox, images=5)
    ready(2, outbox, images=1)
    began = timezone.now()
    spent = []
    while Delivery.objects.exclude(state="delivered").exists():
        now = Destination.objects.get().spent_until or began
        spent.append((now - began).total_seconds())
        Destination.objects.update(spent_until=None)
        assert work.deliver_one(now)
    first, second = Delivery.objects.order_by("pk").values_list("pk", flat=True)
    assert sent == [(first, [0, 1]), (first, [2, 3]), (first, [4]), (second, [0])]
    assert [attempt.reason for attempt in Attempt.objects.order_by("pk")] == [
        "3 of 5 images wait: the destination takes 8 images a minute.",
        "1 of 5 images wait: the destination takes 8 images a minute.",
        "",
        "",
    ]
    assert Destination.objects.get().failures == 0
    assert ledger.balance()[0].difference == 0


def test_while_a_portion_uses_up_the_minute_nothing_else_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, folder=take_all)
    outbox = a_folder()
    Destination.objects.update(images_per_minute=8)
    ready(1, outbox, images=3)
    ready(2, outbox, images=1)
    began = timezone.now()
    assert work.deliver_one(timezone.now())
    assert not work.deliver_one(timezone.now())
    until = Destination.objects.get().spent_until
    assert until is not None and until - timezone.now() <= timedelta(seconds=15) <= until - began
    assert not queue.is_due(until - timedelta(seconds=1))
    assert queue.is_due(until)


def test_a_zip_goes_as_a_whole_and_what_comes_after_it_waits(data: Path) -> None:
    outbox = a_folder(as_zip=True)
    Destination.objects.update(images_per_minute=6)
    ready(1, outbox, images=12)
    began = timezone.now()
    assert work.deliver_one(timezone.now())
    assert Delivery.objects.get().state == "delivered"
    until = Destination.objects.get().spent_until
    assert until is not None and until - timezone.now() <= timedelta(minutes=2) <= until - began


def test_what_is_being_sent_stops_when_the_hours_end_and_goes_on_when_they_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    revision = ready(1, a_folder(), images=5)
    clock = [timezone.now()]
    Destination.objects.update(windows=[closing_soon(clock[0])])

    def slow(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        results: list[Result] = []
        for ordinal in sorted(parcel.ordinals):
            if not keep_going():
                return fold(parcel.ordinals, results, interrupted=True)
            acknowledge([ordinal])
            results.append(Result(ordinal, Verdict.STORED))
            clock[0] += timedelta(seconds=50)
        return Delivered()

    use(monkeypatch, folder=slow)
    monkeypatch.setattr(attempt, "timezone", changed(timezone, now=lambda: clock[0]))
    assert work.deliver_one(clock[0])
    delivery = Delivery.objects.get()
    assert delivery.state == "waiting" and 2 <= delivery.acknowledged <= 4
    assert delivery.reason == attempt.CLOSED.reason
    assert Destination.objects.get().failures == 0
    assert not work.deliver_one(clock[0])
    clock[0] += timedelta(days=1, minutes=-10)
    assert work.deliver_one(clock[0])
    revision.refresh_from_db()
    assert revision.state == study_life.DELIVERED


def closing_soon(now: datetime) -> str:
    """A window that is open now and ends in one to two minutes, whatever time it is."""
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(minutes=2):%H:%M}"


def test_a_zip_that_has_begun_goes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ready(1, a_folder(as_zip=True))
    clock = [timezone.now()]
    Destination.objects.update(windows=[closing_soon(clock[0])])

    def slow(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        clock[0] += timedelta(minutes=30)
        assert keep_going()
        return take_all(parcel, acknowledge, keep_going)

    use(monkeypatch, folder=slow)
    monkeypatch.setattr(attempt, "timezone", changed(timezone, now=lambda: clock[0]))
    assert work.deliver_one(clock[0])
    assert Delivery.objects.get().state == "delivered"


# So that it does not come back while a busy machine still delivers to the other one
@override_settings(DELIVERY_PAUSE=600, DELIVERY_PAUSE_MAX=3600)
def test_a_dead_destination_rests_and_burns_none_of_its_queue__promise_10(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dead(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        return TryLater("The peer does not answer; check that it runs.")

    use(monkeypatch, dimse=dead)
    archive, outbox = a_peer(), a_folder()
    for study in range(8):
        ready(study, archive, outbox)
    with running(Workers(2, idle=0.05)):
        eventually(lambda: Delivery.objects.filter(destination=outbox, state="delivered").count() == 8)
        eventually(lambda: Attempt.objects.filter(delivery__destination=archive).count() == 3)
    archive.refresh_from_db()
    assert archive.failures == 3
    assert archive.rests_until is not None
    assert set(Delivery.objects.filter(destination=archive).values_list("state", flat=True)) == {"waiting"}


def test_when_all_workers_are_at_slow_deliveries_a_spare_one_joins__promise_10(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = threading.Event()

    def slow(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        free.wait(100)
        return take_all(parcel, acknowledge, keep_going)

    use(monkeypatch, dimse=slow)
    peers = [a_peer(f"PEER{n}") for n in range(2)]
    ready(1, *peers)
    with running(Workers(2, idle=0.05, patience=0.2)):
        eventually(lambda: Delivery.objects.filter(state="claimed").count() == 2)
        ready(2, a_folder())
        eventually(lambda: Delivery.objects.filter(state="delivered").count() == 1)
        free.set()
        eventually(lambda: not Delivery.objects.exclude(state="delivered").exists())


def test_stopping_ends_between_two_images_and_the_next_start_goes_on__promise_12(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = threading.Event()

    def patient(parcel: Parcel, acknowledge: Acknowledge, keep_going: KeepGoing) -> Outcome:
        acknowledge([min(parcel.ordinals)])
        started.set()
        eventually(lambda: not keep_going())
        return fold(parcel.ordinals, [], interrupted=True)

    use(monkeypatch, folder=patient)
    ready(1, a_folder())
    with running(Workers(1, idle=0.05)):
        assert started.wait(100)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.acknowledged) == ("waiting", 1)
    assert delivery.next_try_at <= timezone.now()
    assert Destination.objects.get().failures == 0


def test_a_claim_of_a_dead_worker_is_rescued_by_another__promise_12() -> None:
    ready(1, a_folder())
    queue.claim(timezone.now(), "of a worker that died")
    Delivery.objects.update(lease_until=timezone.now())
    with override_settings(DELIVERY_PAUSE=0), running(Workers(1, idle=0.05)):
        eventually(lambda: Delivery.objects.get().state == "delivered")
    assert sorted(Attempt.objects.values_list("outcome", flat=True)) == ["delivered", "lost"]


def test_trouble_with_the_database_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, broken = queue.claim, [True, True]

    def shaky(*args: object) -> object:
        if broken:
            broken.pop()
            raise DatabaseError("gone")
        return honest(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(queue, "claim", shaky)
    ready(1, a_folder())
    with running(Workers(1, idle=0.05)):
        eventually(lambda: Delivery.objects.get().state == "delivered")


def connections_open() -> int:
    wrappers = (thing for thing in gc.get_objects() if issubclass(type(thing), BaseDatabaseWrapper))
    return sum(wrapper.connection is not None for wrapper in wrappers)


def test_workers_leave_no_connection_behind() -> None:
    ready(1, a_folder())
    before = connections_open()
    with running(Workers(4, idle=0.05)):
        eventually(lambda: Delivery.objects.get().state == "delivered")
    assert connections_open() <= before


def test_promise_1_without_pseudonymization_nothing_leaves_to_where_no_identity_may_go() -> None:
    outbox = a_folder()
    ready(1, outbox)
    with override_settings(DICOM_ANONYMIZE_PATIENTS=False):
        claim = queue.claim(timezone.now(), "token")
        assert claim is not None
        attempt.make(claim)
    delivery = Delivery.objects.get()
    assert delivery.state == "refused"
    assert "DICOM_ANONYMIZE_PATIENTS" in delivery.reason
    assert delivery.acknowledged == 0


def test_what_a_peer_has_already_is_delivered_when_it_is_replayed() -> None:
    """One that takes nothing twice lost only a part of what it had."""
    kept: set[str] = set()

    def store(uid: str) -> int:
        known = uid in kept
        kept.add(uid)
        return 0x0111 if known else 0

    with answering(store) as (port, heard):
        archive = a_peer(port=port)
        real_files_of(ready(1, archive))
        began = timezone.now()
        assert work.deliver_one(timezone.now())
        kept.pop()
        assert replay(archive, Span.of(began, None, timezone.now()), "admin", timezone.now()).images == 3
        assert work.deliver_one(timezone.now())
    assert len(heard) == 6
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.acknowledged) == ("delivered", 3)
