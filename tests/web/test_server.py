"""Where the web process binds, and for whom it does not wait."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import glogging
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn
from pytest_django import Settings

from proxy.service.watch import Watch
from proxy.web import server
from proxy.web.server import options


@pytest.mark.parametrize(
    ("address", "bound"),
    [("0.0.0.0", ("0.0.0.0", 8080)), ("::", ("::", 8080)), ("::1", ("::1", 8080))],
)
def test_an_address_of_either_family_is_bound(
    settings: Settings, address: str, bound: tuple[str, int]
) -> None:
    settings.API_BIND_ADDRESS, settings.API_PORT = address, 8080
    config = Config()
    config.set("bind", options(5)["bind"])
    assert config.address == [bound]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_named(settings: Settings, address: str) -> None:
    """gunicorn would try for seconds, and nothing of why is in our log."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as other:
        settings.API_BIND_ADDRESS, settings.API_PORT = address, other.getsockname()[1]
        said = server.objection(patience=0)
        assert said.startswith(f"Port {settings.API_PORT} cannot be opened") and said.endswith("is it taken?")
    assert server.objection() == ""


def test_nobody_is_believed_by_the_server_itself(settings: Settings) -> None:
    """It believes its own machine, or FORWARDED_ALLOW_IPS, unless it is told not to: a second truth."""
    config = Config()
    assert config.forwarded_allow_ips == ["127.0.0.1", "::1"]
    config.set("forwarded_allow_ips", options(5)["forwarded_allow_ips"])
    assert config.forwarded_allow_ips == []


# --- whoever keeps a thread waiting ---------------------------------------------------------------


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and theirs, the first accepted from a socket that the server has made ready."""
    monkeypatch.setattr(server, "PATIENCE", 1)
    monkeypatch.setattr(server, "heads", Watch(lambda: 0.3, look_every=0.05))
    with socket.create_server(("127.0.0.1", 0)) as door:
        server.be_patient(SimpleNamespace(LISTENERS=[SimpleNamespace(sock=door)]))
        with socket.create_connection(door.getsockname()) as theirs:
            ours, _ = door.accept()
            with ours:
                yield ours, theirs


def handled(ours: socket.socket, app: Any) -> float:
    """As gunicorn's pool does it. How long it took."""
    config = Config()
    worker = server.Worker(0, 0, [], None, 5, config, glogging.Logger(config))
    worker.wsgi, worker.alive = app, True
    connection = TConn(config, ours, ours.getpeername(), ours.getsockname())
    connection.data_ready = True
    began = time.monotonic()
    try:
        worker.handle(connection)
    finally:
        worker.tmp.close()
    return time.monotonic() - began


def plenty(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [bytes(1 << 20)] * 64


def test_half_a_head_holds_a_thread_for_a_while_only(
    connected: tuple[socket.socket, socket.socket],
) -> None:
    """Forty connections of anybody who says half a line were all that the house served."""
    ours, theirs = connected
    theirs.sendall(b"GET /health HTTP/1.1\r\nHost: some")
    assert handled(ours, plenty) < 5


def test_a_head_that_trickles_too(connected: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = connected
    theirs.sendall(b"GET /health HTTP/1.1\r\nHost: some")
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.1):
            with suppress(OSError):
                theirs.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        assert handled(ours, plenty) < 5
    finally:
        over.set()
        thread.join()


def test_who_takes_nothing_of_an_answer_is_hung_up_on(
    connected: tuple[socket.socket, socket.socket],
) -> None:
    """Of whatever door: a picture, a page, the answer of a search."""
    ours, theirs = connected
    theirs.sendall(b"GET /health HTTP/1.1\r\nHost: somewhere\r\n\r\n")
    assert handled(ours, plenty) < 20


def test_an_answer_may_take_longer_than_a_head(connected: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = connected
    theirs.sendall(b"GET /health HTTP/1.1\r\nHost: somewhere\r\n\r\n")

    def slow(environ: Any, start_response: Any) -> list[bytes]:
        time.sleep(0.8)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"here"]

    handled(ours, slow)
    assert theirs.recv(1000).startswith(b"HTTP/1.1 200") and not server.heads._all


def test_an_address_may_name_as_many_frames_as_one_may_ask_for(settings: Settings) -> None:
    config = Config()
    config.set("limit_request_line", options(5)["limit_request_line"])
    uid = "2.25." + "3" * 39
    frames = ",".join(map(str, range(1, 1_001)))
    line = f"GET /dicomweb/studies/{uid}/series/{uid}/instances/{uid}/frames/{frames}/rendered HTTP/1.1"
    assert len(line) < config.limit_request_line
