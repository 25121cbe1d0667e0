"""STOW-RS against a service of our own, which may do everything wrong that a service can."""

import json
import time
from pathlib import Path

import pytest

from proxy.deliveries.addresses import Web
from proxy.deliveries.agents import dicomweb
from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Refused, TryLater
from proxy.deliveries.parcel import Item, Shelf
from tests.backend.faults import GOSSIP, Says, Slow
from tests.backend.multipart import parts
from tests.backend.serving import Reply, Request, Server, serving
from tests.deliveries.agents.parcels import items_in, parcel_of
from tests.deliveries.agents.stow import a_store, in_json, uid_in
from tests.deliveries.agents.stowing import CALM, deliver, parcel_to


@pytest.mark.parametrize("xml", [False, True])
def test_every_image_arrives_once_and_is_acknowledged(tmp_path: Path, xml: bool) -> None:
    with a_store(xml=xml) as (server, store):
        assert deliver(parcel_to(server.url, tmp_path, 5)) == (Delivered(), [0, 1, 2, 3, 4])
    assert store.stored == [f"2.25.12{number}" for number in range(5)]
    assert "Authorization" not in server.heard[0].headers


def test_batches_are_bounded_in_count(tmp_path: Path) -> None:
    with a_store() as (server, store):
        outcome, heard = deliver(parcel_to(server.url, tmp_path, dicomweb.MOST_IMAGES + 3))
    assert outcome == Delivered()
    assert len(heard) == dicomweb.MOST_IMAGES + 3
    assert store.batches == [dicomweb.MOST_IMAGES, 3]


def test_batches_are_bounded_in_bytes_and_a_large_image_goes_alone(tmp_path: Path) -> None:
    items = items_in(tmp_path, 4)  # 700 bytes each
    items[2].path.write_bytes(b"x" * 5000)
    assert list(dicomweb.first_batch(items, 64, 1400)) == list(items[:2])
    assert list(dicomweb.first_batch(items[2:], 64, 1400)) == [items[2]]
    assert list(dicomweb.first_batch(items[3:], 64, 1400)) == [items[3]]


@pytest.mark.parametrize("xml", [False, True])
@pytest.mark.parametrize("reason", [0x0110, 0xA700, 0xA7FF])
def test_what_fails_for_now_is_tried_later_and_the_rest_is_acknowledged(
    tmp_path: Path, xml: bool, reason: int
) -> None:
    with a_store(lambda uid: reason if uid == "2.25.121" else None, xml=xml) as (server, _):
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, TryLater)
    assert outcome.reason.startswith("1 of 3 images not acknowledged yet")
    assert heard == [0, 2]


@pytest.mark.parametrize("reason", [0x0122, 0x0124, 0xA900, 0xC000, 0xC123, 0xFFFF, 0xB000, 0])
def test_what_is_refused_for_good_is_refused_alone(tmp_path: Path, reason: int) -> None:
    with a_store(lambda uid: reason if uid == "2.25.121" else None) as (server, _):
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("1 of 3 images refused")
    assert heard == [0, 2]


def test_what_is_there_already_is_delivered_where_the_service_says_so_itself(tmp_path: Path) -> None:
    with a_store(lambda uid: 0x0111) as (server, _):
        assert deliver(parcel_to(server.url, tmp_path)) == (Delivered(), [0, 1, 2])
    assert server.heard[0].path == "/studies"


def test_a_conflict_that_names_nothing_is_no_delivery__promise_3(tmp_path: Path) -> None:
    with serving(lambda request: Reply(409, GOSSIP)) as server:
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, Refused)
    assert heard == []


NOTHING = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"<html>ok</html>",
    b"<",
    b"[" * 100_000,
    b'{"00081199": 5}',
]
NOTHING += [b'{"00081199": {"Value": [null]}}', b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', GOSSIP]
NOTHING += [b'{"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}}'[:-3]]


@pytest.mark.parametrize("body", NOTHING)
@pytest.mark.parametrize("status", [200, 202])
def test_a_success_that_names_nothing_proves_nothing__promise_3(
    tmp_path: Path, body: bytes, status: int
) -> None:
    with serving(lambda request: Reply(status, body)) as server:
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert outcome == TryLater(dicomweb.UNNAMED)
    assert heard == []


def test_an_answer_about_others_says_nothing_about_ours(tmp_path: Path) -> None:
    body = json.dumps([in_json(["2.25.999"], [])]).encode()
    with serving(lambda request: Reply(200, body)) as server:
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, TryLater)
    assert heard == []


def nameless(reason: int, *stored: str, others: bool = False) -> bytes:
    said = in_json(list(stored), [])
    said["0008119A" if others else "00081198"] = {
        "vr": "SQ",
        "Value": [{"00081197": {"vr": "US", "Value": [reason]}}],
    }
    return json.dumps(said).encode()


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("status", [200, 202, 400, 409])
def test_a_failure_without_a_name_is_tracked_down_and_refused_alone(
    tmp_path: Path, status: int, others: bool
) -> None:
    """As of what is no DICOM at all: a service cannot say its UID. Orthanc answers 400 and names what it stored."""

    def answers(request: Request) -> Reply:
        uids = [uid_in(part.content) for part in parts(request)]
        good = [uid for uid in uids if uid != "2.25.122"]
        body = (
            nameless(0xC000, *good, others=others) if good != uids else json.dumps(in_json(good, [])).encode()
        )
        return Reply(status if good != uids else 200, body)

    with serving(answers) as server:
        outcome, heard = deliver(parcel_to(server.url, tmp_path, 5))
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("1 of 5 images refused")
    assert heard == [0, 1, 3, 4]
    assert len(server.heard) == 2


def test_failures_without_any_name_are_tracked_down_too(tmp_path: Path) -> None:
    def answers(request: Request) -> Reply:
        uids = [uid_in(part.content) for part in parts(request)]
        if "2.25.122" in uids:
            return Reply(202, nameless(0xA700))
        return Reply(200, json.dumps(in_json(uids, [])).encode())

    with serving(answers) as server:
        outcome, heard = deliver(parcel_to(server.url, tmp_path, 5))
    assert isinstance(outcome, TryLater)
    assert "out of resources" in outcome.reason
    assert sorted(heard) == [0, 1, 3, 4]


LATER = {
    401: "credentials",
    403: "right",
    404: "url",
    408: "408",
    429: "slow down",
    500: "500",
    503: "503",
    507: "room",
    302: "redirects",
    308: "redirects",
    204: "204",
}


@pytest.mark.parametrize("status", LATER)
def test_what_passes_or_needs_a_person_keeps_the_delivery_whole(tmp_path: Path, status: int) -> None:
    with a_store() as (server, store):
        server.fail(Says(status, {"Location": "http://localhost:1/elsewhere"}))
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert LATER[status] in outcome.reason
    assert (heard, store.stored, len(server.heard)) == ([], [], 1)


@pytest.mark.parametrize("status", [400, 409, 415, 422, 418])
def test_one_image_that_spoils_its_batch_is_found_and_refused_alone(tmp_path: Path, status: int) -> None:
    def answers(request: object) -> Reply:
        return Reply(status, GOSSIP) if b"image 2image" in _body(server) else store(server.heard[-1])

    with a_store() as (server, store):
        server.answers = answers
        outcome, heard = deliver(parcel_to(server.url, tmp_path, 5))
    assert isinstance(outcome, Refused)
    assert str(status) in outcome.reason
    assert heard == [0, 1, 3, 4]


def _body(server: Server) -> bytes:
    body = server.heard[-1].body
    content = body.read()
    body.seek(0)
    return content


def test_who_takes_nothing_is_not_asked_about_each_image_of_all_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicomweb, "MOST_IMAGES", 4)
    with serving(lambda request: Reply(415)) as server:
        outcome, heard = deliver(parcel_to(server.url, tmp_path, 12))
    assert isinstance(outcome, Refused)
    assert "12 of 12" in outcome.reason
    assert len(server.heard) == 7 + 2  # the first batch down to single images, the others once
    assert heard == []


def test_smaller_requests_are_tried_where_a_large_one_is_too_large(tmp_path: Path) -> None:
    with a_store(limit=2500) as (server, store):
        outcome, heard = deliver(parcel_to(server.url, tmp_path, 9))
    assert outcome == Delivered()
    assert heard == list(range(9))
    assert sorted(store.stored) == [f"2.25.12{number}" for number in range(9)]


def test_an_image_that_alone_is_too_large_is_refused_with_what_to_do(tmp_path: Path) -> None:
    parcel = parcel_to("", tmp_path)
    parcel.items[1].path.write_bytes(b"image 1" * 1000)
    with a_store(limit=3000) as (server, _):
        outcome, heard = deliver(parcel_of(parcel.items, Web(server.url)))
    assert isinstance(outcome, Refused)
    assert "raise the limit" in outcome.reason
    assert heard == [0, 2]


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with a_store() as (server, _):
        server.fail(Says(429, {"Retry-After": "17"}))
        outcome, _ = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, TryLater)
    assert outcome.after is not None
    assert outcome.after.total_seconds() == 17


def test_a_missing_file_is_refused_and_the_others_go(tmp_path: Path) -> None:
    with a_store() as (server, _):
        parcel = parcel_to(server.url, tmp_path)
        parcel.items[1].path.unlink()
        outcome, heard = deliver(parcel)
    assert isinstance(outcome, Refused)
    assert dicomweb.GONE in outcome.reason
    assert heard == [0, 2]


def test_a_file_that_goes_while_it_is_sent_is_our_own_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(item: Item) -> int:
        item.path.unlink()
        return 0

    monkeypatch.setattr(dicomweb, "_size", there)
    with a_store() as (server, _):
        outcome, heard = deliver(parcel_to(server.url, tmp_path))
    assert isinstance(outcome, TryLater)
    assert not outcome.rests
    assert "stored file" in outcome.reason
    assert heard == []


def test_a_stop_between_two_batches_blames_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "MOST_IMAGES", 2)
    stopping = False

    def acknowledge(ordinals: object) -> None:
        nonlocal stopping
        stopping = True
        heard.append(ordinals)

    heard: list[object] = []
    with a_store() as (server, store):
        outcome = dicomweb.deliver(
            parcel_to(server.url, tmp_path, 5), acknowledge, lambda: not stopping, CALM
        )
    assert outcome == INTERRUPTED
    assert heard == [[0, 1]]
    assert len(store.stored) == 2


def test_a_stop_does_not_wait_for_a_slow_answer(tmp_path: Path) -> None:
    began = time.monotonic()
    with a_store() as (server, _):
        server.fail(Slow(30))
        parcel = parcel_to(server.url, tmp_path)
        outcome = dicomweb.deliver(
            parcel, lambda ordinals: None, lambda: time.monotonic() < began + 0.1, CALM
        )
        assert outcome == INTERRUPTED
        assert time.monotonic() - began < 50


def test_other_addresses_are_not_its_business(tmp_path: Path) -> None:
    parcel = parcel_of(items_in(tmp_path, 1), Shelf(tmp_path, make=True, as_zip=False))
    with pytest.raises(TypeError):
        dicomweb.deliver(parcel, lambda ordinals: None, lambda: True)
