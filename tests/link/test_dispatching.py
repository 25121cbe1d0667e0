"""What the backend dispatches goes to the nodes that may see who it is, byte for byte as it was, and to nobody else."""

import logging
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.backend import deletions, dispatches
from proxy.backend.models import Deletion, Dispatch, Outgoing
from proxy.link import events
from proxy.link.asking import ask_once
from proxy.link.dispatching import NOBODY, Dispatcher, Errand
from proxy.link.downloading import STOPPED
from proxy.link.messages import Event
from proxy.link.shelf import folder, forget_over, shed, sweep
from proxy.quarantine.models import HeldItem
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Destination, Node, Route
from proxy.studies.models import Instance
from proxy.vault.models import Person, Seal
from tests import cast, results
from tests.backend.platform import KEY, Answer, Platform, open_platform, until
from tests.backend.said import configuration
from tests.link.archives import zipped
from tests.reception.conftest import data
from tests.retrieval.test_delivering import Shelf, received, shelf, to_hospital

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["data", "shelf"]

SESSION = "/api/v1/proxy/w1/sessions/s1/download"
EVENT = Event("session.dispatch", "key1", "c1", "s1")


@pytest.fixture
def platform(data: Path, settings: LazySettings) -> Iterator[Platform]:
    with open_platform() as one:
        settings.ITH_URL, settings.ITH_TOKEN = one.url, KEY
        yield one


def linked(platform: Platform, port: int, **changes: object) -> Node:
    """A hospital that has named its node CLIN, and a backend that names it too."""
    node = to_hospital(port, **changes)
    Route.objects.get().destinations.clear()
    told = {"id": "n1", "name": "Clinic", "ae_title": "CLIN", "ip_address": "127.0.0.1", "port": port}
    platform.configuration = configuration(told | {"permission": "write"})
    assert ask_once()
    return node


def clean() -> dict[str, bytes]:
    """What the backend has of us: our own clean files, under names of its own."""
    root = Path(str(folder())).parent / "studies"
    return {f"scan/{row.pk}.dcm": (root / row.path).read_bytes() for row in Instance.objects.order_by("pk")}


def offer(platform: Platform, files: dict[str, bytes], path: str = SESSION) -> None:
    platform.answers[path] = Answer(body=zipped(files), is_chunked=True)


def dispatched(event: Event = EVENT) -> Dispatch:
    events.dispatch(event)
    return again()


def again() -> Dispatch:
    Dispatch.objects.update(next_try_at=timezone.now())
    row = dispatches.claim(timezone.now(), "token")
    assert row is not None
    Errand(row, lambda: True).run()
    return Dispatch.objects.get(pk=row.pk)


def told() -> dict[str, Any]:
    payload: dict[str, Any] = Outgoing.objects.get().body["payload"]
    return payload


def test_promise_6_images_of_ours_go_home_byte_for_byte(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    originals = received(1, 2, 3)
    offer(platform, clean())
    row = dispatched()
    assert (row.state, row.sent, row.total, row.reason) == ("completed", 3, 3, "")
    assert shelf[0].data == originals
    assert told() == {
        "status": "completed",
        "progress": 100,
        "files_sent": 3,
        "files_total": 3,
        "error": None,
    }
    assert Outgoing.objects.get().body["correlation_id"] == "c1"
    assert list(folder().iterdir()) == []
    assert Entry.objects.filter(action="identity.instance-restored").exists()


def test_promise_7_a_result_goes_home_as_results_do(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    received(1, 2)
    from pydicom import dcmread

    root = folder().parent / "studies"
    outside = [dcmread(root / row.path) for row in Instance.objects.order_by("pk")]
    offer(platform, {"rt": cast.part10(results.structure_set(outside))}, "/api/v1/proxy/w1/scans/x9/download")
    row = dispatched(Event("scan.new_scan_available", "k", "c", "x9", action="pull_and_dispatch"))
    assert (row.state, row.sent, row.total) == ("completed", 1, 1)
    assert Result.objects.get().node.name == "backend:platform"
    assert Homecoming.objects.get().destination.name == "backend:CLIN"


def test_what_belongs_to_nobody_is_held_and_said(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    received(1)
    offer(platform, clean() | {"stranger": cast.part10(cast.mr(cast.StudyPlan(cast.BEN, 77)))})
    row = dispatched()
    assert (row.state, row.sent, row.total) == ("failed", 1, 2)
    assert "1 of 2 did not go: Held for a person" in row.reason
    assert HeldItem.objects.count() == 1 and len(shelf[0].data) == 1
    assert not [needle for needle in cast.NEEDLES if needle in str(Outgoing.objects.get().body) + row.reason]


def test_an_image_that_was_changed_outside_is_refused_alone(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    originals = received(1, 2)
    files = clean()
    name = sorted(files)[0]
    files[name] = files[name][:-8] + b"tampered"
    offer(platform, files)
    row = dispatched()
    assert (row.state, row.sent, row.total) == ("failed", 1, 2)
    assert len(shelf[0].data) == 1 and set(shelf[0].data.items()) < set(originals.items())


def test_files_that_are_no_images_are_counted(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    received(1)
    offer(platform, clean() | {"broken": b"\x00" * 128 + b"DICM" + b"\xff" * 50, "readme": b"text"})
    row = dispatched()
    assert (row.state, row.sent, row.total) == ("failed", 1, 2)


def test_promise_1_without_the_identified_view_nothing_is_even_fetched(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1], view="pseudonymous", grant=None)
    received(1)
    offer(platform, clean())
    row = dispatched()
    assert (row.state, row.reason) == ("failed", NOBODY.reason)
    assert not shelf[0].data and SESSION not in "".join(platform.asked)


def test_promise_1_a_node_of_the_backend_gets_nothing_before_a_person_gave_it_the_view(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    Node.objects.filter(name="CLIN").update(port=1)  # elsewhere now: the backend's node is one of its own
    ask_once()
    received(1)
    offer(platform, clean())
    assert dispatched().state == "failed" and not shelf[0].data


def test_a_grant_that_has_ended_sends_nothing(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1], grant={"purpose": "treatment", "until": "2020-01-01"})
    received(1)
    offer(platform, clean())
    assert dispatched().state == "failed" and not shelf[0].data


def test_a_node_that_is_away_is_tried_again_and_gets_only_what_it_lacks(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    originals = received(1, 2)
    offer(platform, clean())

    def fail_second(number: int) -> None:
        if number == 1:
            raise RuntimeError

    shelf[0].before = fail_second
    row = dispatched()
    assert len(shelf[0].data) == 1 and row.sent == 1
    first = dict(shelf[0].data)
    if row.state == "failed":  # the peer's processing failure may be its last word
        assert dispatches.again(row, "ada", timezone.now())
        Dispatch.objects.update(done={str(Node.objects.get(name="CLIN").pk): list(row.done.popitem()[1])})
    shelf[0].data.clear()
    shelf[0].before = lambda number: None
    row = again()
    assert (row.state, row.sent) == ("completed", 2)
    assert first | shelf[0].data == originals and not set(first) & set(shelf[0].data)


def test_a_peer_that_cannot_be_reached_waits(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, 1)
    received(1)
    offer(platform, clean())
    row = dispatched()
    assert row.state == "waiting" and row.next_try_at > timezone.now() and row.tries == 1
    assert told()["status"] == "processing" and told()["error"]
    assert not Entry.objects.filter(action="identity.instance-restored").exists()


def test_a_paused_destination_waits_for_the_person(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    Destination.objects.filter(origin="backend").update(paused_at=timezone.now())
    assert (row := dispatched()).state == "waiting" and "paused by a person" in row.reason


@pytest.mark.parametrize(
    ("status", "state"), [(404, "failed"), (403, "failed"), (500, "waiting"), (302, "waiting")]
)
def test_a_download_that_fails(platform: Platform, shelf: tuple[Shelf, int], status: int, state: str) -> None:
    linked(platform, shelf[1])
    platform.answers[SESSION] = Answer(status)
    assert dispatched().state == state


def test_a_broken_archive_is_fetched_a_few_times(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    platform.answers[SESSION] = Answer(body=b"PK\x03\x04 broken")
    assert dispatched().state == "waiting"
    states = [again().state for _ in range(4)]
    assert states == ["waiting"] * 3 + ["failed"]


def test_an_archive_without_images_fails(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    offer(platform, {"a": b"text"})
    assert dispatched().state == "failed"


def test_a_repeated_event_is_one_dispatch(db: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "proxy"):
        for _ in range(3):
            events.dispatch(EVENT)
            events.dispatch(Event("session.dispatch", "", "", "s2"))
    assert Dispatch.objects.count() == 2 and "heard before" in caplog.text
    events.dispatch(Event("session.dispatch", "key2", "c2", ""))
    events.dispatch(Event("scan.new_scan_available", "key3", "c2", "x", action="look"))
    assert Dispatch.objects.count() == 2


def test_what_a_dead_process_held_is_taken_up_and_who_lost_it_changes_nothing(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    received(1)
    offer(platform, clean())
    events.dispatch(EVENT)
    dead = dispatches.claim(timezone.now(), "dead")
    assert dead is not None and dispatches.claim(timezone.now(), "other") is None
    row = dispatches.claim(timezone.now() + timedelta(hours=1), "alive")
    assert row is not None
    Errand(row, lambda: True).run()
    assert Dispatch.objects.get().state == "completed"
    Errand(dead, lambda: True)._end(None)
    assert Dispatch.objects.get().token == "alive"


def test_the_dispatcher_does_what_is_due_and_stops(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    received(1)
    offer(platform, clean())
    dispatcher = Dispatcher()
    dispatcher.start()
    events.dispatch(EVENT)
    until(lambda: Dispatch.objects.get().state == "completed")
    dispatcher.stop(5.0)
    assert len(shelf[0].data) == 1


def test_a_person_sends_again_or_gives_up(data: Path) -> None:
    events.dispatch(EVENT)
    row, now = Dispatch.objects.get(), timezone.now()
    assert not dispatches.again(row, "ada", now)
    assert dispatches.give_up(row, "ada", now) and not dispatches.give_up(row, "ada", now)
    assert dispatches.again(row, "ada", now)
    assert Dispatch.objects.get().state == "waiting"
    assert Entry.objects.filter(actor="ada").count() == 2


def test_a_flood_of_events_is_bounded_and_said(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatches, "MOST_WAITING", 3)
    for number in range(9):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
    assert Dispatch.objects.count() == 3
    assert caplog.text.count("it is not taken, because 3 dispatches wait") == 6


def fetches(platform: Platform) -> int:
    return sum(path.startswith(SESSION) for path in platform.asked)


def test_a_node_that_is_away_costs_no_second_download(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    node = linked(platform, 1)
    originals = received(1, 2)
    offer(platform, clean())
    row = dispatched()
    assert row.state == "waiting" and again().state == "waiting"
    kept = [path.name for path in (folder() / str(row.pk)).iterdir()]
    assert kept == ["archive"] and fetches(platform) == 1
    platform.configuration["nodes"][0]["port"] = shelf[1]
    Node.objects.filter(pk=node.pk).update(port=shelf[1])
    assert ask_once()
    assert again().state == "completed" and fetches(platform) == 1
    assert shelf[0].data == originals and list(folder().iterdir()) == []


def test_a_person_who_sends_again_gets_what_the_backend_has_then(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    received(1)
    offer(platform, clean())
    row = dispatched()
    assert dispatches.again(row, "ada", timezone.now())
    assert again().state == "completed" and fetches(platform) == 2


def test_of_what_was_given_up_while_it_waits_no_archive_stays(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, 1)
    received(1)
    offer(platform, clean())
    row = dispatched()
    assert (folder() / str(row.pk) / "archive").is_file()
    assert dispatches.give_up(row, "ada", timezone.now())
    forget_over()
    assert list(folder().iterdir()) == []


def test_of_what_was_given_up_while_it_is_sent_no_archive_stays(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    received(1, 2, 3)
    offer(platform, clean())

    def give_up(number: int) -> None:
        dispatches.give_up(Dispatch.objects.get(), "ada", timezone.now())

    shelf[0].before = give_up
    events.dispatch(EVENT)
    row = dispatches.claim(timezone.now(), "token")
    assert row is not None
    Errand(row, lambda: not dispatches.is_over(row.pk)).run()
    assert Dispatch.objects.get().state == "failed" and list(folder().iterdir()) == []
    assert 1 <= len(shelf[0].data) < 3


def test_promise_12_a_stop_waits_for_no_silent_backend_and_the_next_start_goes_on(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    received(1)
    offer(platform, clean())
    right = platform.answers[SESSION]
    platform.answers[SESSION] = Answer(slow=30)
    dispatcher = Dispatcher()
    dispatcher.start()
    events.dispatch(EVENT)
    until(lambda: fetches(platform))
    began = time.monotonic()
    dispatcher.stop(10.0)
    assert time.monotonic() - began < 8
    row = Dispatch.objects.get()
    assert row.state == "waiting" and row.reason == STOPPED.reason and row.next_try_at <= timezone.now()
    platform.answers[SESSION] = right
    assert again().state == "completed"


def test_what_was_given_up_while_it_runs_stops_and_stays_so(
    platform: Platform, shelf: tuple[Shelf, int]
) -> None:
    linked(platform, shelf[1])
    received(1)
    platform.answers[SESSION] = Answer(slow=30)
    dispatcher = Dispatcher()
    dispatcher.start()
    events.dispatch(EVENT)
    until(lambda: fetches(platform))
    assert dispatches.give_up(Dispatch.objects.get(), "ada", timezone.now())
    until(lambda: not dispatcher._running, 60)
    dispatcher.stop(5.0)
    assert Dispatch.objects.get().state == "failed" and told()["status"] == "failed"
    assert list(folder().iterdir()) == [] and not shelf[0].data


@pytest.mark.parametrize("kind", ["session", "scan", "subject"])
def test_promise_3_a_deletion_there_deletes_nothing_here_and_leaves_one_mark(
    platform: Platform, shelf: tuple[Shelf, int], kind: str
) -> None:
    linked(platform, shelf[1])
    received(1, 2)
    before = clean(), Seal.objects.count(), Person.objects.count()
    for entity in ("x1", "x2"):
        events.dispatch(Event(f"{kind}.dispatch", f"key {entity}", "c1", entity))
    listener = events.Events(lambda: None)
    for _ in range(3):
        listener.take(Event(f"{kind}.deleted", "k", "c", "x1"))
    states = dict(Dispatch.objects.values_list("entity", "state"))
    assert states == {"x1": "failed", "x2": "waiting"}
    assert Dispatch.objects.get(entity="x1").reason == deletions.WHY and told()["status"] == "failed"
    assert (clean(), Seal.objects.count(), Person.objects.count()) == before
    assert (Deletion.objects.get().given_up, str(Deletion.objects.get())) == (1, f"{kind} x1")
    marks = Entry.objects.filter(subject=f"{kind} x1")
    assert marks.count() == 1 and "mappings stay" in str(marks.get().detail)


def test_with_a_subject_ends_what_was_dispatched_of_its_sessions(data: Path) -> None:
    events.dispatch(Event("session.dispatch", "k1", "c", "s1", subject_id="u1"))
    events.dispatch(Event("session.dispatch", "k2", "c", "s2", subject_id="u2"))
    assert deletions.note("subject", "u1", timezone.now()) == 1
    assert dict(Dispatch.objects.values_list("entity", "state")) == {"s1": "failed", "s2": "waiting"}


def test_events_in_another_order_do_no_harm(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    """The deletion came first, the dispatch after it: the backend says what it still has."""
    linked(platform, shelf[1])
    listener = events.Events(lambda: None)
    listener.take(Event("session.deleted", "k", "c", "s1"))
    platform.answers[SESSION] = Answer(404)
    assert dispatched().state == "failed" and Deletion.objects.get().given_up == 0


def test_a_deletion_of_nothing_is_only_said(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    events.Events(lambda: None).take(Event("scan.deleted"))
    assert "it names nothing" in caplog.text and not Deletion.objects.exists()


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(data: Path) -> None:
    for number in range(4):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
    now = timezone.now()
    old, fresh, waiting, running = Dispatch.objects.order_by("pk")
    for row in (old, fresh):
        assert dispatches.give_up(row, "ada", now)
    Dispatch.objects.filter(pk=old.pk).update(finished_at=now - dispatches.KEPT_FOR - timedelta(hours=1))
    Dispatch.objects.filter(pk=running.pk).update(
        state="processing", asked_at=now - timedelta(days=900), finished_at=None
    )
    deletions.note("scan", "gone", now - deletions.KEPT_FOR - timedelta(hours=1))
    deletions.note("scan", "just gone", now)
    assert (dispatches.prune(now), deletions.prune(now)) == (1, 1)
    assert set(Dispatch.objects.values_list("pk", flat=True)) == {fresh.pk, waiting.pk, running.pk}
    assert dispatches.prune(now) == 0 and Deletion.objects.get().entity == "just gone"


def test_promise_11_what_a_shouting_backend_leaves_behind_is_bounded(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatches, "MOST_OVER", 2)
    monkeypatch.setattr(deletions, "MOST_KEPT", 2)
    now = timezone.now()
    for number in range(4):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
    marks = Entry.objects.count()
    ended = [deletions.note("scan", f"s{number}", now + timedelta(seconds=number)) for number in range(4)]
    assert ended == [1, 1, 1, 1]  # believed all the same
    assert (Deletion.objects.count(), Entry.objects.count() - marks) == (2, 2)
    assert dispatches.prune(now) == 2
    assert set(Dispatch.objects.values_list("entity", flat=True)) == {"s2", "s3"}


def test_a_pause_that_the_backend_asks_for_is_kept(platform: Platform, shelf: tuple[Shelf, int]) -> None:
    linked(platform, shelf[1])
    platform.answers[SESSION] = Answer(429, headers={"Retry-After": "7200"})
    row = dispatched()
    assert row.state == "waiting" and row.next_try_at > timezone.now() + timedelta(minutes=110)


def test_what_a_killed_process_left_is_removed_but_whole_archives_of_what_goes_on(data: Path) -> None:
    for number in range(4):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
    running = dispatches.claim(timezone.now(), "elsewhere")
    assert running is not None
    whole, half, over = running.pk + 1, running.pk + 2, running.pk + 3
    assert dispatches.give_up(Dispatch.objects.get(pk=over), "ada", timezone.now())
    for name in (running.pk, whole, over, 99999, "odd"):
        a_download(name)
    a_download(half, "archive.part")
    (folder() / "a file").write_bytes(b"")
    sweep()
    left = sorted(str(path.relative_to(folder())) for path in folder().rglob("*") if path.is_file())
    assert left == [f"{running.pk}/archive", f"{running.pk}/images/1.dcm", f"{whole}/archive"]


def test_promise_11_archives_that_wait_are_bounded_and_the_oldest_go(data: Path) -> None:
    for number in range(4):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
        a_download(Dispatch.objects.get(entity=f"s{number}").pk, age=100 - number)
    running = dispatches.claim(timezone.now(), "elsewhere")
    assert running is not None and running.entity == "s0"  # the oldest: whoever works on one keeps it
    assert shed(4 * 100, 0) == 0
    assert shed(2 * 100, 0) == 1
    assert not (folder() / str(running.pk + 1)).exists() and (folder() / str(running.pk)).exists()
    assert shed(2 * 100, 1 << 60) == 2  # the disk is tight
    assert [path.name for path in folder().iterdir()] == [str(running.pk)]


def a_download(name: object, archive: str = "archive", age: float = 0) -> None:
    place = folder() / str(name)
    (place / "images").mkdir(parents=True)
    (place / "images" / "1.dcm").write_bytes(b"DICM")
    (place / archive).write_bytes(b"PK" * 50)
    os.utime(place / archive, (time.time() - age,) * 2)
