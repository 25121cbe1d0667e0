"""A connection changes processes with everything that was already sent on it."""

import socket
from collections.abc import Iterator

import pytest

from proxy.network import handing

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    accepting, serving = handing.pair()
    with accepting, serving:
        yield accepting, serving


def test_what_a_caller_has_said_arrives_with_its_connection(ends: Ends) -> None:
    accepting, serving = ends
    caller, called = socket.socketpair()
    caller.sendall(b"hello")
    assert handing.hand(accepting, 1, 2**40, called)
    called.close()
    handed = next(handing.received(serving))
    assert (handed.port, handed.ticket) == (1, 2**40)
    assert handed.connection.recv(5) == b"hello"
    handed.connection.sendall(b"hi")
    assert caller.recv(2) == b"hi"
    handed.connection.close()
    assert caller.recv(1) == b""
    caller.close()


def test_none_follow_once_the_accepting_end_says_so_but_reports_still_come_back(ends: Ends) -> None:
    accepting, serving = ends
    accepting.shutdown(socket.SHUT_WR)
    assert list(handing.received(serving)) == []
    reports = handing.Reports(serving)
    reports.ready(50)
    reports.seated(3)
    reports.gone(3)
    assert list(handing.heard(accepting)) == [(handing.READY, 50), (handing.SEATED, 3), (handing.GONE, 3)]
    assert list(handing.heard(accepting)) == []


def test_a_process_that_does_not_take_connections_is_passed_over(ends: Ends) -> None:
    accepting, _ = ends
    caller, called = socket.socketpair()
    with caller, called:
        taken = 0
        while handing.hand(accepting, 0, taken, called):
            taken += 1
            assert taken < 100_000
    assert taken > 10


def test_a_dead_end_takes_nothing_and_hears_nothing() -> None:
    accepting, serving = handing.pair()
    serving.close()
    caller, called = socket.socketpair()
    with accepting, caller, called:
        assert not handing.hand(accepting, 0, 1, called)
        assert list(handing.heard(accepting)) == []
    accepting, serving = handing.pair()
    accepting.close()
    with serving:
        handing.Reports(serving).gone(1)
        assert list(handing.received(serving)) == []
