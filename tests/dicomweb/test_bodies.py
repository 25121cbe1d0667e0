"""Bodies that come slowly, or not as they said: over a real line."""

import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO

import pytest

from proxy.api.problems import Problem
from proxy.dicomweb.store import bodies
from proxy.dicomweb.store.bodies import PIECE, Body, Watch


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_it_comes_in_pieces() -> None:
    content = bytes(range(256)) * 1024
    pieces = list(Body(BytesIO(content), len(content), len(content)).pieces())
    assert (b"".join(pieces), max(map(len, pieces))) == (content, PIECE)
    assert b"".join(Body(BytesIO(content), None, len(content)).pieces()) == content


def test_no_more_is_read_than_was_said() -> None:
    stream = BytesIO(b"body" + b"next request")
    assert b"".join(Body(stream, 4, 100).pieces()) == b"body"
    assert stream.read() == b"next request"


@pytest.mark.parametrize(("length", "most", "status"), [(11, 100, 400), (None, 9, 413)])
def test_what_is_not_as_it_should_be_ends_it(length: int | None, most: int, status: int) -> None:
    with pytest.raises(Problem) as caught:
        list(Body(BytesIO(b"0123456789"), length, most).pieces())
    assert caught.value.status == status


def test_a_line_that_breaks_is_the_senders_trouble() -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError

    with pytest.raises(Problem) as caught:
        list(Body(Broken(), 10, 100).pieces())
    assert caught.value.code == "broken-off"


def test_without_a_length_the_server_must_know_the_end() -> None:
    with pytest.raises(Problem) as caught:
        Body.of({"wsgi.input": BytesIO(b"")}, 10)
    assert caught.value.status == 411


def test_whoever_drips_is_cut_off(
    line: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and the piece never does."""
    monkeypatch.setattr(bodies, "watch", Watch(patience=0.5, look_every=0.05))
    ours, theirs = line
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            try:
                theirs.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    try:
        with ours.makefile("rb") as stream, pytest.raises(Problem) as caught:
            list(Body(stream, 1_000_000, 1_000_000, ours).pieces())
    finally:
        over.set()
        thread.join()
    assert caught.value.status == 408
    assert time.monotonic() - began < 60


def test_whoever_is_slow_and_steady_is_not(
    line: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(patience=60, look_every=0.05)
    monkeypatch.setattr(bodies, "watch", watch)
    ours, theirs = line

    def send() -> None:
        for _ in range(4):
            theirs.sendall(b"x" * PIECE)
            time.sleep(0.1)

    thread = threading.Thread(target=send)
    thread.start()
    with ours.makefile("rb") as stream:
        assert len(b"".join(Body(stream, 4 * PIECE, 10**6, ours).pieces())) == 4 * PIECE
    thread.join()
    assert watch._reads == {}


def test_who_looks_goes_home_when_there_is_nothing_to_look_at_and_comes_again() -> None:
    watch = Watch(look_every=0.01)
    for _ in range(2):
        with watch.over(None):
            thread = watch._thread
        assert thread is not None
        thread.join(60)
        assert not thread.is_alive() and watch._thread is None
