"""What the backend dispatches goes to the nodes that may see who it is, byte for byte as it was, and to nobody else."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.backend import dispatches
from proxy.backend.models import Dispatch, Outgoing
from proxy.link import events
from proxy.link.asking import ask_once
from proxy.link.dispatching import NOBODY, Dispatcher, Errand, folder, sweep
from proxy.link.messages import Event
from proxy.quarantine.models import HeldItem
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Destination, Node, Route
from proxy.studies.models import Instance
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


def test_a_flood_of_events_is_bounded(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatches, "MOST_WAITING", 3)
    for number in range(9):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
    assert Dispatch.objects.count() == 3


def test_what_a_killed_process_left_is_removed_unless_it_goes_on(data: Path) -> None:
    for number in (1, 2):
        events.dispatch(Event("scan.dispatch", f"key{number}", "c", f"s{number}"))
    running = dispatches.claim(timezone.now(), "elsewhere")
    assert running is not None
    for name in (str(running.pk), str(running.pk + 1), "99999", "odd"):
        (folder() / name).mkdir(parents=True)
        (folder() / name / "archive").write_bytes(b"PK")
    sweep()
    assert [one.name for one in folder().iterdir()] == [str(running.pk)]
