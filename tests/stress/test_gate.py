"""A gate is dead in the way it says, and opens again on the same port: else no test behind it says anything."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.stress.gate import DEAD, HERE, Gate, Way


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Behind it is somebody who says everything back."""
    with socket.create_server((HERE, 0)) as door:
        threading.Thread(target=_echo, args=(door,), daemon=True).start()
        with Gate(door.getsockname()[1], pause=0.1) as one:
            yield one


def _echo(door: socket.socket) -> None:
    with suppress(OSError):
        while True:
            line, _ = door.accept()
            threading.Thread(target=_say_back, args=(line,), daemon=True).start()


def _say_back(line: socket.socket) -> None:
    with suppress(OSError), line:
        while piece := line.recv(100):
            line.sendall(piece)


def said_back(gate: Gate, patience: float = 5.0) -> str:
    """What is heard of "hello" within that time; or what went wrong."""
    with socket.socket() as line:
        line.settimeout(min(patience, 1.0))
        try:
            line.connect((HERE, gate.port))
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "no connection"
        return _heard(line, patience)


def _heard(line: socket.socket, patience: float) -> str:
    line.sendall(b"hello")
    heard, end = b"", time.monotonic() + patience
    try:
        while len(heard) < 5:
            line.settimeout(max(end - time.monotonic(), 0.01))
            heard += line.recv(5)
    except TimeoutError:
        return "nothing"
    return heard.decode()


@pytest.mark.parametrize(
    ("way", "heard"),
    [
        (Way.REFUSING, "refused"),
        (Way.SILENT, "nothing"),
        (Way.UNANSWERED, "no connection"),
    ],
)
def test_a_dead_gate_is_dead_in_its_way(gate: Gate, way: Way, heard: str) -> None:
    gate.become(way)
    assert said_back(gate, 0.5) == heard


def test_an_answer_trickles_byte_by_byte(gate: Gate) -> None:
    gate.become(Way.TRICKLING)
    began = time.monotonic()
    assert said_back(gate) == "hello"
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("way", DEAD)
def test_what_was_dead_opens_again_on_the_same_port(gate: Gate, way: Way) -> None:
    port = gate.port
    for _ in range(2):
        gate.become(way)
        gate.become(Way.OPEN)
        assert (said_back(gate), gate.port) == ("hello", port)


@pytest.mark.parametrize("way", DEAD)
def test_who_is_connected_when_it_dies_is_cut_off(gate: Gate, way: Way) -> None:
    with socket.create_connection((HERE, gate.port), timeout=5) as line:
        line.sendall(b"hello")
        assert line.recv(1)
        gate.become(way)
        with suppress(ConnectionResetError):
            while line.recv(100):
                pass


def test_it_opens_again_while_callers_of_before_still_linger(gate: Gate) -> None:
    with socket.create_connection((HERE, gate.port), timeout=5) as line:
        line.sendall(b"hello")
        assert line.recv(1)
        gate.become(Way.REFUSING)
        gate.become(Way.OPEN)
        assert said_back(gate) == "hello"
