"""Whoever lets a small body trickle is let go, and hears what they sent was no request."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

from proxy.service.watch import Watch
from proxy.web import bodies
from proxy.web.bodies import Body, InTime


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Theirs and ours; half a second is all that they have."""
    watch = Watch(lambda: 0.5, look_every=0.05)
    monkeypatch.setattr(bodies, "WATCH", watch)
    theirs, ours = socket.socketpair()
    yield theirs, ours
    assert not watch._all
    theirs.close()
    ours.close()


def environ_of(path: str, stream: Any, ours: socket.socket | None, length: int) -> dict[str, Any]:
    """Of a form whose browser has our cookie: only then is its body read for the other half of the token."""
    made = RequestFactory().post(path).environ
    cookie = f"{settings.CSRF_COOKIE_NAME}={'x' * 32}"
    return {
        **made,
        "HTTP_COOKIE": cookie,
        "wsgi.input": stream,
        "CONTENT_LENGTH": str(length),
        "gunicorn.socket": ours,
    }


def asked(
    application: InTime, path: str, stream: Any, ours: socket.socket | None, length: int
) -> tuple[str, bytes]:
    heard: list[str] = []
    answer = application(environ_of(path, stream, ours, length), lambda status, headers: heard.append(status))
    return heard[0], b"".join(answer)


def test_a_body_that_trickles_ends(db: None, line: tuple[socket.socket, socket.socket]) -> None:
    """Each byte comes soon after the one before, so no time-out of a single read would end it."""
    theirs, ours = line
    is_over = threading.Event()

    def trickle() -> None:
        while not is_over.wait(0.05):
            theirs.send(b"x")

    sender = threading.Thread(target=trickle)
    sender.start()
    application = InTime(get_wsgi_application())  # which takes its time where nobody has loaded it
    began = time.monotonic()
    with ours.makefile("rb") as stream:
        status, said = asked(application, "/admin/login/", stream, ours, 5_000)
    is_over.set()
    sender.join()
    assert 0.4 < time.monotonic() - began < 20
    assert status.startswith("4"), said


def test_a_body_that_comes_at_once_is_read_whole(line: tuple[socket.socket, socket.socket]) -> None:
    body = Body(io.BytesIO(b"one\ntwo"), line[1])
    assert (body.readline(), body.read(2), body.read()) == (b"one\n", b"tw", b"o")
    body.over()
    body.over()


def test_who_reads_nothing_is_watched_by_nobody(db: None, line: tuple[socket.socket, socket.socket]) -> None:
    status, said = asked(InTime(get_wsgi_application()), "/v1/nothing", io.BytesIO(), line[1], 0)
    assert status.startswith("404") and json.loads(said)["code"] == "not-found"


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        ("/dicomweb/studies", True),
        ("/v1/anonymize", True),
        ("/v1/anonymize/", True),
        ("/v1/jobs", True),
        ("/v1/jobs/webhook", False),
        ("/v1/billing/webhook", False),
        ("/admin/login/", False),
        ("", False),
    ],
)
def test_what_moves_images_has_its_own_watch(path: str, is_so: bool) -> None:
    assert bodies.watches_itself(path) == is_so
