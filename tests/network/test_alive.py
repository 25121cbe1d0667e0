"""A port that is open is not yet a listener that reads."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from proxy.network.alive import ABORT, is_alive
from tests.cluster import free_port
from tests.network.conftest import Listen


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def test_nobody_at_all() -> None:
    assert not is_alive("127.0.0.1", free_port(), 1.0)


def test_a_process_that_hangs_is_not_alive_although_its_port_is_open(door: socket.socket) -> None:
    began = time.monotonic()
    assert not is_alive("127.0.0.1", door.getsockname()[1], 0.5)
    assert 0.4 < time.monotonic() - began < 60


def test_one_that_talks_without_end_is_none(door: socket.socket) -> None:
    def talk() -> None:
        line, _ = door.accept()
        with line:
            try:
                while True:
                    line.sendall(b"HTTP/1.1 ")
                    time.sleep(0.05)
            except OSError:
                pass

    threading.Thread(target=talk, daemon=True).start()
    assert not is_alive("127.0.0.1", door.getsockname()[1], 0.5)


def test_a_listener_that_reads_is_alive_and_takes_it_for_no_call(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    listener, guest = listen(max_associations=0)
    assert all(is_alive("127.0.0.1", listener.port, 60.0) for _ in range(20))
    assert not guest.callers and listener.active() == 0 and not caplog.records


def test_an_abort_is_a_whole_pdu() -> None:
    assert len(ABORT) == 6 + int.from_bytes(ABORT[2:6], "big") and ABORT[0] == 7
