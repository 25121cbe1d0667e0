"""Asking whether a destination answers: what counts as an answer, and that nothing is left there."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from proxy.deliveries.addresses import Auth, Credentials, Platform, Web
from proxy.deliveries.agents import AGENTS, PROBES, beside
from proxy.deliveries.outcomes import TryLater
from proxy.deliveries.parcel import Address, Shelf
from tests.aside import changed
from tests.backend.serving import Reply, Request, serving
from tests.backend.uploads import TOKEN, WORKSPACE, a_backend
from tests.cluster import free_port
from tests.deliveries.agents.peers import a_wire, answering, storescp

SECRET = "s3cr3t-of-the-archive"


def test_every_agent_has_a_probe() -> None:
    assert PROBES.keys() == AGENTS.keys()


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_asks_addresses_of_its_own_kind_only(kind: str, tmp_path: Path) -> None:
    other: Address = a_wire(1) if kind != "dimse" else Shelf(tmp_path, make=False, as_zip=False)
    with pytest.raises(TypeError):
        PROBES[kind](other)


# --- DICOM peers ----------------------------------------------------------------------------------


@contextmanager
def echoing(status: int, **more: Any) -> Iterator[int]:
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context("1.2.840.10008.1.1")
    for name, value in more.items():
        setattr(ae, name, value)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda _: status)])
    assert server is not None
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


def test_a_peer_that_answers_an_echo_is_there_and_gets_no_image(tmp_path: Path) -> None:
    with storescp(tmp_path / "there") as port:
        assert PROBES["dimse"](a_wire(port)) is None
    assert list((tmp_path / "there").iterdir()) == []


def test_a_peer_that_lets_us_in_and_offers_no_echo_is_there() -> None:
    with answering(lambda _: 0) as (port, heard):
        assert PROBES["dimse"](a_wire(port)) is None
    assert heard == []


@pytest.mark.parametrize("status", [0x0000, 0x0122, 0x0211])
def test_whatever_a_peer_answers_to_an_echo_it_answers(status: int) -> None:
    with echoing(status) as port:
        assert PROBES["dimse"](a_wire(port)) is None


def test_a_peer_that_lets_us_in_and_keeps_silent_is_not_there() -> None:
    silent = threading.Event()
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context("1.2.840.10008.1.1")
    handlers: list[Any] = [(evt.EVT_C_ECHO, lambda _: silent.wait(20) and 0)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    wire = a_wire(server.socket.getsockname()[1])
    try:
        found = PROBES["dimse"](replace(wire, peer=replace(wire.peer, dimse_timeout=1.0)))
    finally:
        silent.set()
        server.shutdown()
    assert found is not None and "did not answer the echo" in found.reason


def test_a_peer_that_does_not_know_us_is_not_ready() -> None:
    with echoing(0, require_calling_aet=["SOMEBODY"]) as port:
        found = PROBES["dimse"](a_wire(port))
    assert found is not None and "1/1/3" in found.reason


def test_a_peer_that_is_away_is_away() -> None:
    found = PROBES["dimse"](a_wire(free_port()))
    assert found is not None and "cannot be reached" in found.reason


@contextmanager
def talking(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A listener that does this with whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            with door.accept()[0] as line:
                line.recv(65536)
                answer(line)
                line.settimeout(20)
                while line.recv(65536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join(20)


def rejection(result: int, source: int, reason: int) -> bytes:
    return bytes([3, 0, 0, 0, 0, 4, 0, result, source, reason])


@pytest.mark.parametrize(
    ("numbers", "is_there"),
    [((1, 1, 1), True), ((1, 1, 7), False), ((2, 3, 1), False), ((2, 3, 2), False), ((2, 1, 1), False)],
)
def test_who_rejects_for_no_reason_is_left_to_a_delivery(
    numbers: tuple[int, int, int], is_there: bool
) -> None:
    with talking(lambda line: line.sendall(rejection(*numbers))) as port:
        assert (PROBES["dimse"](a_wire(port)) is None) is is_there


def test_who_hangs_up_or_talks_nonsense_is_not_there() -> None:
    for said in (b"", b"SSH-2.0-OpenSSH_9.2\r\n"):
        with talking(lambda line, said=said: (line.sendall(said), line.shutdown(socket.SHUT_WR))) as port:  # type: ignore[misc]
            assert PROBES["dimse"](a_wire(port)) is not None


# --- web services ---------------------------------------------------------------------------------


def asked(server_url: str, auth: Auth = Auth.BEARER) -> TryLater | None:
    return PROBES["dicomweb"](Web(f"{server_url}/dicom-web", Credentials(auth, SECRET)))


@pytest.mark.parametrize("status", [200, 204, 400, 403, 404, 405, 406, 501])
def test_a_service_that_answers_is_there_even_if_it_lets_nobody_search(status: int) -> None:
    with serving(lambda _: Reply(status)) as server:
        assert asked(server.url) is None
    assert server.paths() == ["/dicom-web/studies?limit=1"]


@pytest.mark.parametrize("status", [301, 401, 407, 500, 502, 503, 504])
def test_a_service_that_is_in_trouble_or_does_not_know_us_is_not_ready(status: int) -> None:
    with serving(lambda _: Reply(status)) as server:
        found = asked(server.url)
    assert found is not None and str(status) in found.reason and SECRET not in found.reason


def test_what_a_service_asks_for_itself_is_heard() -> None:
    with serving(lambda _: Reply(503, headers={"Retry-After": "77"})) as server:
        found = asked(server.url)
    assert found is not None and found.after is not None and found.after.total_seconds() == 77


def test_a_service_that_is_away_or_hangs_up_is_not_there() -> None:
    assert asked(f"http://127.0.0.1:{free_port()}") is not None
    with talking(lambda line: line.shutdown(socket.SHUT_WR)) as port:
        assert asked(f"http://127.0.0.1:{port}") is not None


# --- the backend ----------------------------------------------------------------------------------


def platform(url: str, folder: Path, key: str = TOKEN) -> Platform:
    return Platform(url, key, WORKSPACE, folder / "archives", retries=3, pause=0.05, room=0)


def test_the_backend_is_asked_for_our_configuration_and_gets_no_archive(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, there):
        assert PROBES["backend"](platform(server.url, tmp_path)) is None
    assert server.paths() == ["/api/v1/proxy/configuration"]
    assert not there.archives
    assert not (tmp_path / "archives").exists()


def test_a_backend_that_does_not_know_our_token_is_not_ready(tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, _):
        found = PROBES["backend"](platform(server.url, tmp_path, key="another"))
    assert found is not None and "ITH_TOKEN" in found.reason


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_backend_in_trouble_is_not_ready(status: int, tmp_path: Path) -> None:
    with serving(lambda _: Reply(status)) as server:
        assert PROBES["backend"](platform(server.url, tmp_path)) is not None


def test_a_backend_that_has_no_workspace_for_us_answers_all_the_same(tmp_path: Path) -> None:
    def answer(_: Request) -> Reply:
        return Reply(200, b"{}", "application/json")

    with serving(answer) as server:
        assert PROBES["backend"](platform(server.url, tmp_path)) is None


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_that_can_be_written_is_there_and_stays_empty(tmp_path: Path) -> None:
    for make in (True, False):
        assert PROBES["folder"](Shelf(tmp_path / f"out{make}", make=make, as_zip=False)) is None
        assert list((tmp_path / f"out{make}").iterdir()) == []


def test_a_folder_whose_mount_is_away_is_not_made(tmp_path: Path) -> None:
    found = PROBES["folder"](Shelf(tmp_path / "mount" / "out", make=False, as_zip=False))
    assert found is not None and "check its mount" in found.reason
    assert not (tmp_path / "mount").exists()


def test_a_folder_that_is_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    assert PROBES["folder"](Shelf(tmp_path / "out", make=False, as_zip=False)) is not None


def test_a_full_disk_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(beside, "os", changed(os, fsync=full))
    (tmp_path / "out").mkdir()
    found = PROBES["folder"](Shelf(tmp_path / "out", make=False, as_zip=False))
    assert found is not None and "is full" in found.reason
    assert list((tmp_path / "out").iterdir()) == [], "nothing is left"
