"""A reader who takes nothing does not hold a thread for ever, and places are given back however an answer ends."""

import socket
import time
from collections.abc import Iterator
from threading import BoundedSemaphore
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.api.problems import Problem
from proxy.dicomweb.giving import streaming


def request(line: socket.socket | None = None) -> Any:
    return SimpleNamespace(META={} if line is None else {"gunicorn.socket": line})


def test_who_takes_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As gunicorn writes: all of it, to a socket that waits for ever."""
    monkeypatch.setattr(streaming, "PATIENCE", 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = streaming.begun(request(ours), iter([bytes(1 << 22)] * 4))
        began = time.monotonic()
        with pytest.raises(OSError):
            for piece in stream:
                ours.sendall(piece)
        stream.close()
    assert time.monotonic() - began < 60


def failing(after: int) -> Iterator[bytes]:
    for _ in range(after):
        yield b"x"
    raise ValueError("broken")


def test_a_place_is_given_back_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_seats", BoundedSemaphore(streaming.AT_ONCE))  # nobody else sits here
    closed: list[str] = []

    def over() -> None:
        closed.append("over")

    for _ in range(streaming.AT_ONCE):
        with pytest.raises(ValueError, match="broken"):
            streaming.begun(request(), failing(0), over)
        stream = streaming.begun(request(), failing(1), over)
        with pytest.raises(ValueError, match="broken"):
            list(stream)
        stream.close()
        stream.close()
        streaming.begun(request(), iter([b"never read"]), over).close()
        streaming.begun(request(), iter([]), over).close()
    assert len(closed) == 4 * streaming.AT_ONCE
    going = [streaming.begun(request(), iter([b""])) for _ in range(streaming.AT_ONCE)]
    with pytest.raises(Problem) as refused:
        streaming.begun(request(), iter([b""]))
    assert refused.value.status == 503
    for stream in going:
        stream.close()


def test_pictures_are_drawn_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_easels", BoundedSemaphore(streaming.DRAWN_AT_ONCE))
    monkeypatch.setattr(streaming, "DRAWN_WITHIN", 0.01)
    with streaming.drawing(), streaming.drawing(), pytest.raises(Problem) as refused, streaming.drawing():
        pass
    assert refused.value.status == 503
    with streaming.drawing():
        pass


def test_the_pieces_come_in_their_order() -> None:
    stream = streaming.begun(request(), iter([b"a", b"b", b"c"]))
    assert list(stream) == [b"a", b"b", b"c"]
    stream.close()
