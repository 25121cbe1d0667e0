from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.network.scp import Listener, ListenSettings
from tests.network.people import Guest

Listen = Callable[..., tuple[Listener, Guest]]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start a listener on a free port, with a door that remembers; all of them stop with the test."""
    started: list[Listener] = []

    def start(guest: Guest | None = None, **changed: Any) -> tuple[Listener, Guest]:
        guest = guest or Guest()
        settings = ListenSettings(**{"port": 0, "bind": "127.0.0.1", "acse_timeout": 30.0, **changed})
        listener = Listener(settings, guest)
        listener.start()
        started.append(listener)
        return listener, guest

    yield start
    for listener in started:
        listener.stop(grace=0.5)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder
