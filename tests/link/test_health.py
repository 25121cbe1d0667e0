"""How we are is known at once, however many nodes keep us waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from proxy.link.health import Health, Watcher
from tests.backend.platform import until


@contextmanager
def watching(watcher: Watcher) -> Iterator[Watcher]:
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop(10.0)


def test_nodes_that_answer_nothing_delay_no_word_about_ourselves() -> None:
    """With a hundred of them the backend heard nothing of us for two minutes, and took us for online for as long."""
    patience, online = threading.Event(), [True]

    def look() -> dict[str, bool]:
        patience.wait(30.0)
        return {"n1": False}

    with watching(Watcher(look, lambda: online[0], listens_every=0.05)) as watcher:
        until(lambda: watcher.latest == Health(True, {}))
        online[0] = False
        until(lambda: watcher.latest == Health(False, {}))
        patience.set()
        until(lambda: watcher.latest == Health(False, {"n1": False}))


def test_before_we_looked_at_ourselves_nothing_is_known() -> None:
    patience = threading.Event()

    def listens() -> bool:
        return patience.wait(30.0)

    with watching(Watcher(lambda: {"n1": True}, listens)) as watcher:
        assert watcher.latest is None
        patience.set()
        until(lambda: watcher.latest == Health(True, {"n1": True}))


def test_trouble_while_looking_ends_nothing() -> None:
    tries = []

    def listens() -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return True

    with watching(Watcher(dict, listens, listens_every=0.05)) as watcher:
        until(lambda: watcher.latest == Health(True, {}))


def test_whoever_wants_to_know_now_waits_for_no_pause() -> None:
    looked = []

    def look() -> dict[str, bool]:
        looked.append(1)
        return {}

    with watching(Watcher(look, lambda: True)) as watcher:
        until(lambda: len(looked) == 1)
        watcher.want()
        until(lambda: len(looked) == 2)
