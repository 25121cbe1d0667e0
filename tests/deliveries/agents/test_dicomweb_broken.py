"""STOW-RS over lines that break, to addresses where nobody or somebody else answers."""

import socket
import threading
import time
from pathlib import Path

import pytest

from proxy.deliveries.addresses import Web
from proxy.deliveries.outcomes import Delivered, Refused, TryLater
from tests.backend.faults import Deaf, Drops, Fault, Halves, Says, Slow, Trickles
from tests.cluster import free_port
from tests.deliveries.agents.parcels import parcel_of
from tests.deliveries.agents.stow import a_store
from tests.deliveries.agents.stowing import QUICK, deliver, parcel_to, reason_of

BROKEN: dict[str, tuple[Fault, str]] = {
    "cut in the middle": (Drops(after=1000), "ended the connection in the middle"),
    "half an answer": (Halves(), "ended the connection in the middle"),
    "an answer that does not come": (Slow(6.0), "did not answer in time"),
    "a byte at a time": (Trickles(0.2), "did not end its answer in time"),
    "no ears any more": (Deaf(after=1000, seconds=6.0), "stopped taking"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_request_is_tried_later_and_acknowledges_nothing__promise_3(
    tmp_path: Path, what: str
) -> None:
    fault, sentence = BROKEN[what]
    parcel = parcel_to("", tmp_path)
    parcel.items[0].path.write_bytes(b"image 0" * 2_000_000)  # more than the sockets' buffers hold
    with a_store() as (server, _):
        server.fail(fault)
        outcome, heard = deliver(parcel_of(parcel.items, Web(server.url)), QUICK)
    assert isinstance(outcome, TryLater)
    assert sentence in outcome.reason
    assert heard == []


def test_an_early_no_is_heard_or_tried_again(tmp_path: Path) -> None:
    """Who answers without reading and goes away may take its answer with it: then nobody heard it."""
    parcel = parcel_to("", tmp_path, 1)
    parcel.items[0].path.write_bytes(b"image 0" * 2_000_000)
    with a_store() as (server, store):
        server.fail(Says(413, early=True))
        outcome, heard = deliver(parcel_of(parcel.items, Web(server.url)))
    assert isinstance(outcome, TryLater | Refused)
    assert heard == []
    assert store.stored == []


def test_nobody_there_says_so(tmp_path: Path) -> None:
    outcome, _ = deliver(parcel_to(f"http://127.0.0.1:{free_port()}", tmp_path))
    assert reason_of(outcome) == "Nothing listens at the destination's address (connection refused)."


def test_a_name_nobody_knows_says_so(tmp_path: Path) -> None:
    outcome, _ = deliver(parcel_to("http://nowhere.invalid:8042", tmp_path))
    assert "host name is not known" in reason_of(outcome)


def test_who_takes_the_call_and_speaks_no_http_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:

        def talk() -> None:
            line, _ = ear.accept()
            line.recv(10)
            line.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
            time.sleep(0.3)
            line.close()

        thread = threading.Thread(target=talk)
        thread.start()
        outcome, _ = deliver(parcel_to(f"http://127.0.0.1:{ear.getsockname()[1]}", tmp_path))
        thread.join()
    assert "speaks no HTTP" in reason_of(outcome)


def test_a_redirect_is_followed_by_nothing(tmp_path: Path) -> None:
    with a_store() as (elsewhere, there), a_store() as (server, _):
        server.fail(Says(307, {"Location": f"{elsewhere.url}/studies"}))
        outcome, _ = deliver(parcel_to(server.url, tmp_path))
    assert "redirects to another address" in reason_of(outcome)
    assert there.stored == []
    assert elsewhere.heard == []


def test_a_proxy_of_the_environment_is_used_for_other_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_store() as (server, _):
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert deliver(parcel_to("http://dicom.invalid/root", tmp_path))[0] == Delivered()
        assert deliver(parcel_to(server.url, tmp_path))[0] == Delivered()
    assert server.paths() == ["http://dicom.invalid/root/studies", "/studies"]
