"""The backend agent against the reference backend, which may do everything wrong that a server can."""

import json
import random
import time
from pathlib import Path

import pytest

from proxy.deliveries.addresses import Platform
from proxy.deliveries.agents import archive, backend
from proxy.deliveries.agents.web.line import Patience
from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Outcome, Refused, TryLater
from proxy.deliveries.parcel import Parcel, Shelf
from tests.backend.faults import GOSSIP, Deaf, Drops, Fault, Halves, Says, Slow, Trickles
from tests.backend.serving import Reply, serving
from tests.backend.uploads import TOKEN, WORKSPACE, a_backend
from tests.cluster import free_port
from tests.deliveries.agents.parcels import PATIENT, STUDY, Ear, items_in, parcel_of

CALM = Patience(connect=20.0, sending=20.0, silence=20.0, answer=40.0)
QUICK = Patience(connect=20.0, sending=1.0, silence=1.0, answer=2.0)  # for who is never on time
UPLOAD = f"/api/v1/proxy/{WORKSPACE}/archives/upload"
CONFIGURATION = "/api/v1/proxy/configuration"


def parcel_to(url: str, folder: Path, **more: object) -> Parcel:
    said = {"key": TOKEN, "workspace": WORKSPACE, "retries": 0, "pause": 0.05, "room": 0, **more}
    to = Platform(url=url, archives=folder / "archives", **said)  # type: ignore[arg-type]
    return parcel_of(items_in(folder / "store", 3), to)


def deliver(parcel: Parcel, patience: Patience = CALM) -> tuple[Outcome, list[int]]:
    assert TOKEN not in repr(parcel)
    ear = Ear()
    outcome = backend.deliver(parcel, ear.acknowledge, ear.keep_going, patience)
    if not isinstance(outcome, Delivered):
        assert GOSSIP.decode() not in outcome.reason
        assert TOKEN not in outcome.reason
    return outcome, ear.heard


def test_a_study_arrives_as_one_archive_with_what_the_contract_asks_for(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, there):
        assert deliver(parcel_to(server.url, tmp_path)) == (Delivered(receipt="a-1"), [0, 1, 2])
        (arrived,) = there.archives.values()
        assert arrived.fields["name"] == f"{STUDY}-2"
        assert arrived.fields["patient_id"] == PATIENT
        assert arrived.fields["study_description"] == "CT Kopf mit KM ü"
        assert json.loads(arrived.fields["metadata"]) == {
            "study_instance_uid": STUDY,
            "revision": 2,
            "images": 3,
            "series": 1,
            "manifest": "manifest.json",
        }
        assert arrived.file_name == f"{STUDY}-2.zip"
        assert len(arrived.manifest()["files"]) == 3
        assert len(arrived.members()) == 4
    assert server.paths() == [UPLOAD]


def test_a_house_that_was_never_told_its_workspace_asks(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        assert deliver(parcel_to(server.url, tmp_path, workspace=""))[0] == Delivered(receipt="a-1")
    assert server.paths() == [CONFIGURATION, UPLOAD]


def test_uploading_twice_is_as_once(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, there):
        for _ in range(2):
            assert deliver(parcel_to(server.url, tmp_path))[0] == Delivered(receipt="a-1")
        assert (len(there.archives), there.uploads) == (1, 2)


PASSES: dict[str, Fault] = {
    "500": Says(500),
    "502": Says(502),
    "503": Says(503),
    "429": Says(429),
    "408": Says(408),
    "cut": Drops(after=100),
    "half": Halves(),
    "200 and no JSON": Says(200),
    "201 and no id": Says(201, body=b'{"status": "queued"}'),
    "an id that is none": Says(200, body=b'{"id": {"a": 1}, "status": "queued"}'),
    "an id like a sentence": Says(200, body=b'{"id": "Example^Ada was here"}'),
    "an id that failed": Says(200, body=b'{"id": "x", "status": "FAILED"}'),
    "204": Says(204, body=b""),
}


@pytest.mark.parametrize("what", PASSES)
def test_what_passes_is_tried_again_within_the_attempt(tmp_path: Path, what: str) -> None:
    with a_backend(tmp_path / "there") as (server, there):
        server.fail(PASSES[what], PASSES[what])
        assert deliver(parcel_to(server.url, tmp_path, retries=2)) == (Delivered(receipt="a-1"), [0, 1, 2])
        assert len(there.archives) == 1


@pytest.mark.parametrize("what", PASSES)
def test_after_its_retries_the_delivery_waits_and_nothing_is_acknowledged__promise_3(
    tmp_path: Path, what: str
) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(*[PASSES[what]] * 3)
        outcome, heard = deliver(parcel_to(server.url, tmp_path, retries=1))
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert heard == []
    assert len(server.faults) == 1
    assert archive.path_in(tmp_path / "archives", 1).is_file()  # for the next attempt


@pytest.mark.parametrize(
    ("status", "what"), [(401, "ITH_TOKEN"), (403, "activate"), (404, "ITH_URL"), (302, "redirects")]
)
def test_what_needs_a_person_is_not_tried_again_at_once_and_waits_for_one(
    tmp_path: Path, status: int, what: str
) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(Says(status, {"Location": "http://127.0.0.1:1/"}))
        outcome, heard = deliver(parcel_to(server.url, tmp_path, retries=3))
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert what in outcome.reason
    assert (heard, server.paths()) == ([], [UPLOAD])


def test_a_token_that_is_wrong_is_said(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        for workspace in ("", WORKSPACE):
            outcome, _ = deliver(parcel_to(server.url, tmp_path, key="old", workspace=workspace))
            assert isinstance(outcome, TryLater)
            assert "ITH_TOKEN" in outcome.reason


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_it_will_never_take_is_refused_with_what_to_do(tmp_path: Path, status: int) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(Says(status))
        outcome, heard = deliver(parcel_to(server.url, tmp_path, retries=3))
    assert isinstance(outcome, Refused)
    assert str(status) in outcome.reason
    assert (heard, len(server.heard)) == ([], 1)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON"),
        (b'{"workspace_id": null}', "without a workspace_id"),
        (b'{"workspace_id": "../.."}', "without a workspace_id"),
        (GOSSIP, "no JSON"),
    ],
)
def test_a_configuration_without_a_workspace_sends_nothing(tmp_path: Path, body: bytes, what: str) -> None:
    with serving(lambda request: Reply(200, body)) as server:
        outcome, _ = deliver(parcel_to(server.url, tmp_path, workspace=""))
    assert isinstance(outcome, TryLater) and what in outcome.reason and outcome.rests
    assert server.paths() == [CONFIGURATION]
    assert not (tmp_path / "archives").exists()


@pytest.mark.parametrize("status", [400, 413, 500, 503])
def test_a_configuration_that_is_not_to_be_had_refuses_no_study(tmp_path: Path, status: int) -> None:
    with serving(lambda request: Reply(status)) as server:
        outcome, _ = deliver(parcel_to(server.url, tmp_path, workspace=""))
    assert isinstance(outcome, TryLater)


def test_to_be_stopped_while_the_workspace_is_asked_for_is_no_trouble_of_the_backend(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(Slow(30))
        parcel = parcel_to(server.url, tmp_path, workspace="")
        outcome = backend.deliver(parcel, Ear().acknowledge, lambda: False, CALM)
    assert isinstance(outcome, TryLater) and not outcome.rests


def test_a_backend_that_is_away_is_said(tmp_path: Path) -> None:
    outcome, heard = deliver(parcel_to(f"http://127.0.0.1:{free_port()}", tmp_path, retries=1))
    assert isinstance(outcome, TryLater)
    assert "connection refused" in outcome.reason
    assert heard == []


def test_a_long_retry_after_ends_the_attempt_and_is_kept(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(Says(503, {"Retry-After": "3600"}))
        outcome, _ = deliver(parcel_to(server.url, tmp_path, retries=3))
    assert isinstance(outcome, TryLater)
    assert outcome.after is not None
    assert outcome.after.total_seconds() == 3600
    assert len(server.heard) == 1


def test_a_short_retry_after_is_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(Says(429, {"Retry-After": "1"}))
        assert deliver(parcel_to(server.url, tmp_path, retries=1))[0] == Delivered(receipt="a-1")
    assert time.monotonic() - began >= 1


def test_a_stop_while_it_waits_blames_nobody(tmp_path: Path) -> None:
    began = time.monotonic()
    with a_backend(tmp_path / "there") as (server, _):
        server.fail(Says(503))
        parcel = parcel_to(server.url, tmp_path, retries=3, pause=60)
        outcome = backend.deliver(parcel, lambda _: None, lambda: time.monotonic() < began + 0.5, CALM)
    assert outcome == INTERRUPTED
    assert time.monotonic() - began < 50


@pytest.mark.parametrize("fault", [Slow(6.0), Trickles(0.2), Deaf(after=1000, seconds=6.0)])
def test_who_hangs_holds_nobody_for_long(tmp_path: Path, fault: Fault) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        parcel = parcel_to(server.url, tmp_path)
        parcel.items[0].path.write_bytes(random.Random(1).randbytes(20_000_000))
        server.fail(fault)
        outcome, heard = deliver(parcel, QUICK)
    assert isinstance(outcome, TryLater)
    assert "in time" in outcome.reason or "stopped taking" in outcome.reason
    assert heard == []


def test_a_missing_file_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        parcel = parcel_to(server.url, tmp_path)
        parcel.items[1].path.unlink()
        assert deliver(parcel) == (archive.GONE, [])
    assert server.heard == []


def test_other_addresses_are_not_its_business(tmp_path: Path) -> None:
    parcel = parcel_of(items_in(tmp_path, 1), Shelf(tmp_path, make=True, as_zip=False))
    with pytest.raises(TypeError):
        backend.deliver(parcel, lambda ordinals: None, lambda: True)


def test_the_page_shows_what_arrived(tmp_path: Path) -> None:
    import urllib.request

    with a_backend(tmp_path / "there") as (server, _):
        deliver(parcel_to(server.url, tmp_path))
        with urllib.request.urlopen(f"{server.url}/", timeout=5) as answer:
            shown = answer.read().decode()
    assert "1 archives" in shown
    assert PATIENT in shown
