"""Who rested is asked before a delivery is spent on it: by one, once, and whatever dies in between."""

import threading
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from proxy.deliveries import agents, probing, queue, work
from proxy.deliveries.agents import Probe
from proxy.deliveries.models import Attempt, Delivery
from proxy.deliveries.outcomes import Delivered, TryLater
from proxy.routing import breaker
from proxy.routing.models import Destination
from tests.deliveries.builders import NOW, a_folder, a_peer, a_waiting_delivery, seconds

pytestmark = pytest.mark.django_db
SILENT = TryLater("It keeps silent.")


def resting(destination: Destination, failures: int = 3, until: datetime = NOW) -> Destination:
    Destination.objects.filter(pk=destination.pk).update(failures=failures, rests_until=until)
    destination.refresh_from_db()
    return destination


def told(monkeypatch: pytest.MonkeyPatch, *answers: TryLater | None) -> list[object]:
    """What the next probes find; returns whom they asked."""
    left, asked = list(answers), []

    def probe(to: object) -> TryLater | None:
        asked.append(to)
        return left.pop(0)

    probes: dict[str, Probe] = dict.fromkeys(agents.PROBES, probe)
    monkeypatch.setattr(probing, "PROBES", probes)
    return asked


def test_one_that_keeps_silent_rests_longer_and_no_delivery_is_spent__promise_10(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_waiting_delivery()
    outbox = resting(Destination.objects.get())
    told(monkeypatch, SILENT, SILENT)
    now = timezone.now()
    assert work.deliver_one(now) is False
    outbox.refresh_from_db()
    assert (outbox.failures, outbox.trouble, outbox.probed_at) == (4, SILENT.reason, None)
    assert outbox.rests_until is not None and outbox.rests_until > now
    assert not probing.probe_one(now), "it rests"
    first = outbox.rests_until - now
    assert probing.probe_one(outbox.rests_until)
    outbox.refresh_from_db()
    assert outbox.failures == 5 and outbox.rests_until is not None
    assert outbox.rests_until - timezone.now() > first / 2
    assert not Attempt.objects.exists()
    assert Delivery.objects.get().attempts == 0


def test_no_probe_is_believed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that fails at every search, and takes what is stored."""
    a_waiting_delivery()
    resting(Destination.objects.get())
    told(monkeypatch, *[SILENT] * 99)
    now, tried = timezone.now(), []
    for _ in range(12):
        outbox = Destination.objects.get()
        now = max(now, outbox.rests_until or now)
        if probing.probe_one(now):
            tried.append("probe")
        elif claim := queue.claim(now, "t"):
            tried.append("delivery")
            queue.finish(claim, TryLater("It hung up."), now)
            Delivery.objects.update(next_try_at=now)
    assert tried == ["probe", "probe", "delivery", *(["probe"] * 4 + ["delivery"]), *["probe"] * 4]


def test_one_that_answers_gets_one_delivery_and_then_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for study in (1, 2):
        a_waiting_delivery(study)
    Destination.objects.update(at_once=2)
    resting(Destination.objects.get())
    told(monkeypatch, None)
    assert probing.probe_one(NOW)
    assert not probing.probe_one(NOW), "it was asked already"
    first = queue.claim(NOW, "t1")
    assert first is not None and queue.claim(NOW, "t2") is None
    queue.progress(first, range(3))
    queue.finish(first, Delivered(), NOW)
    outbox = Destination.objects.get()
    assert (outbox.failures, outbox.probed_at, outbox.trouble) == (0, None, "")
    assert queue.claim(NOW, "t2") is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"failures": 2},
        {"paused_at": NOW},
        {"retired_at": NOW},
        {"rests_until": NOW + seconds(1)},
        {"probed_at": NOW},
        {"windows": ["22:00-06:00"]},
    ],
    ids=lambda one: next(iter(one)),
)
def test_nobody_else_is_asked(monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    asked = told(monkeypatch)
    outbox = resting(a_folder())
    Destination.objects.filter(pk=outbox.pk).update(**changes)
    assert not probing.due(NOW)
    assert not probing.probe_one(NOW)
    assert not asked


def test_one_whose_row_an_older_version_left_without_a_rest_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = a_folder()
    Destination.objects.filter(pk=outbox.pk).update(failures=7, rests_until=None)
    asked = told(monkeypatch, None)
    assert probing.due(NOW)
    assert probing.probe_one(NOW)
    assert len(asked) == 1


def test_of_two_who_would_ask_one_does() -> None:
    outbox = resting(a_folder())
    (mine,), (theirs,) = breaker.to_probe(NOW), breaker.to_probe(NOW)
    assert breaker.take_probe(mine, NOW) is not None
    assert breaker.take_probe(theirs, NOW) is None
    assert breaker.to_probe(NOW) == []
    assert outbox.pk == mine.pk


def test_what_a_worker_that_died_was_to_ask_another_one_asks__promise_12() -> None:
    resting(a_folder())
    assert breaker.take_probe(breaker.to_probe(NOW)[0], NOW) is not None
    later = NOW + breaker.PROBE_LEASE
    assert breaker.to_probe(later - seconds(1)) == []
    assert len(breaker.to_probe(later)) == 1


@pytest.mark.parametrize("found", [None, SILENT])
def test_a_person_who_resumes_it_meanwhile_has_the_last_word(found: TryLater | None) -> None:
    resting(a_folder())
    taken = breaker.take_probe(breaker.to_probe(NOW)[0], NOW)
    assert taken is not None
    Destination.objects.update(failures=0, rests_until=None)
    if found is None:
        assert not breaker.answered(taken, NOW)
    else:
        breaker.kept_silent(taken, found.reason, NOW)
    outbox = Destination.objects.get()
    assert (outbox.failures, outbox.rests_until, outbox.probed_at) == (0, None, None)


def test_one_that_asks_for_an_hour_is_not_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    resting(a_folder())
    told(monkeypatch, TryLater("The destination asks us to slow down (429).", after=seconds(3600)))
    before = timezone.now()
    assert probing.probe_one(NOW)
    until = Destination.objects.get().rests_until
    assert until is not None and until >= before + seconds(3600)


def test_what_cannot_be_asked_by_a_fault_of_ours_is_left_to_a_delivery(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("somebody's name")

    monkeypatch.setattr(probing, "PROBES", dict.fromkeys(agents.PROBES, broken))
    resting(a_folder())
    assert probing.probe_one(NOW)
    assert Destination.objects.get().probed_at is not None
    assert "RuntimeError" in caplog.text and "somebody" not in caplog.text


def test_one_that_lacks_its_secret_rests_on_with_that_reason() -> None:
    resting(
        Destination.objects.create(
            name="cloud",
            kind="dicomweb",
            url="https://127.0.0.1:1",
            auth="bearer",
            secret="DESTINATION_NOBODY",
        )
    )
    assert probing.probe_one(NOW)
    assert "DESTINATION_NOBODY" in Destination.objects.get().trouble


@pytest.mark.django_db(transaction=True)
def test_one_that_hangs_holds_up_the_one_who_asks_it_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, free = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        hanging.set()
        free.wait(60)

    monkeypatch.setattr(probing, "PROBES", {**agents.PROBES, "folder": hang, "dimse": lambda _: None})
    resting(a_folder())
    asking = threading.Thread(target=work._closing, args=(lambda: probing.probe_one(NOW),))
    asking.start()
    try:
        assert hanging.wait(60)
        resting(a_peer())
        much_later = NOW + 2 * breaker.PROBE_LEASE
        assert probing.due(much_later)
        assert probing.probe_one(much_later), "another destination is asked"
        assert not probing.due(much_later), "and the hanging one by nobody else of this process"
        assert not probing.probe_one(much_later)
    finally:
        free.set()
        asking.join(60)


def test_a_rest_ends_in_the_destinations_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = resting(a_folder())
    Destination.objects.filter(pk=outbox.pk).update(windows=["22:00-06:00"])
    told(monkeypatch, None)
    assert not probing.probe_one(NOW)
    assert probing.probe_one(datetime(2026, 1, 15, 22, tzinfo=UTC))
