"""Whoever sends or takes too slowly is let go; whoever is merely slow is not."""

import socket
import time
from collections.abc import Iterator

import pytest

from proxy.service.body import Body
from proxy.service.troubles import TooSlow
from proxy.service.watch import SLOWEST, Watch, Watched

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_the_time_grows_with_what_has_come() -> None:
    moved = 0
    one = Watched(None, socket.SHUT_RD, lambda: moved, since=100.0)
    one.look(110.0, grace=10.0)
    assert not one.is_late
    moved = 5 * SLOWEST
    one.look(115.0, grace=10.0)
    assert not one.is_late
    one.look(115.1, grace=10.0)
    assert one.is_late


def test_only_the_time_in_which_we_wait_for_a_sender_is_theirs(pair: Pair) -> None:
    """However long an image takes us: what has come by then came fast enough."""
    watch = Watch(lambda: 1.0, look_every=0.01)
    ours, theirs = pair
    theirs.sendall(bytes(10))
    body = Body(Reads(ours), 10, 100)
    late = watch.working(ours, lambda: body.size)
    body.is_late, body.waiting = lambda: late.is_late, late.waiting
    for _ in range(2):
        body.read(5)
        time.sleep(0.7)
    assert not late.is_late
    watch.over(late)


class Reads:
    """As a server reads: until it has all, or nothing comes any more."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size and (piece := self.line.recv(size - len(found))):
            found += piece
        return found


def test_a_read_that_waits_for_a_silent_sender_ends(pair: Pair) -> None:
    watch = Watch(lambda: 0.05, look_every=0.02)
    ours, theirs = pair
    theirs.sendall(b"some")
    body = Body(Reads(ours), 1_000_000, 1 << 30)
    late = watch.working(ours, lambda: body.size)
    body.is_late, body.waiting = lambda: late.is_late, late.waiting
    began = time.monotonic()
    with pytest.raises(TooSlow):
        body.read(1_000_000)
    assert time.monotonic() - began < 60
    ours.sendall(b"an answer")  # which the sender can still read
    assert theirs.recv(100) == b"an answer"
    watch.over(late)


def test_a_write_that_waits_for_a_reader_ends(pair: Pair) -> None:
    watch = Watch(lambda: 0.05, look_every=0.02)
    one = watch.writing(pair[0], lambda: 0)
    with pytest.raises(BrokenPipeError):
        while True:
            pair[0].sendall(bytes(1 << 20))
    assert one.is_late
    watch.over(one)


def test_what_is_over_is_not_ended(pair: Pair) -> None:
    grace = 60.0  # a busy machine may look before we have said that it is over
    watch = Watch(lambda: grace, look_every=0.01)
    one = watch.reading(pair[0], lambda: 0)
    watch.over(one)
    watch.over(one)
    grace = 0.0
    time.sleep(0.05)
    assert not one.is_late
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_its_thread_ends_with_the_last_and_comes_again(pair: Pair) -> None:
    watch = Watch(lambda: 0.05, look_every=0.01)
    watch.over(watch.reading(pair[0], lambda: 0))
    deadline = time.monotonic() + 60
    while watch._thread is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert watch._thread is None
    one = watch.reading(pair[0], lambda: 0)
    while not one.is_late and time.monotonic() < deadline:
        time.sleep(0.01)
    assert one.is_late
    watch.over(one)
