"""Several associations to one peer: each image once, an outcome for each, and one that dies costs one image."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from proxy.network.scu import Peer, SendResult, SendSummary, send
from tests.network.people import image, outgoing, storescp
from tests.network.strangers import CT, EXPLICIT

HERE = "127.0.0.1"
COUNT = 12


@contextmanager
def archive(
    most: int = 10, stored: Callable[[evt.Event], int] = lambda event: 0
) -> Iterator[tuple[int, Counter[Any]]]:
    """By pynetdicom: takes so many associations at once, and counts each one's images by its thread."""
    seen: Counter[Any] = Counter()

    def store(event: evt.Event) -> int:
        seen[event.assoc] += 1
        threading.Event().wait(0.02)
        return stored(event)

    ae = AE(ae_title="ARCHIVE")
    ae.maximum_associations = most
    ae.add_supported_context(CT, [EXPLICIT])
    server = ae.start_server((HERE, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()


def sent(
    port: int, folder: Path, associations: int, keep: Callable[[], bool] = lambda: True
) -> tuple[list[SendResult], SendSummary]:
    items = [outgoing(image(number), folder, number) for number in range(COUNT)]
    results: list[SendResult] = []
    peer = Peer("ARCHIVE", HERE, port, acse_timeout=60, dimse_timeout=60)
    summary = send(peer, items, results.append, keep, associations)
    assert sorted(one.ordinal for one in results) == list(range(COUNT))
    return results, summary


def test_the_work_is_shared(tmp_path: Path) -> None:
    with archive() as (port, seen):
        _, summary = sent(port, tmp_path, 3)
    assert summary == SendSummary(COUNT, 0, 0)
    assert len(seen) == 3 and sum(seen.values()) == COUNT


def test_real_storescp_gets_each_image_once(tmp_path: Path, inbox: Path) -> None:
    with storescp(inbox, "--fork") as port:
        _, summary = sent(port, tmp_path, 4)
    assert summary.stored == COUNT
    assert len(list(inbox.iterdir())) == COUNT


def test_results_are_told_on_the_callers_own_thread(tmp_path: Path) -> None:
    """It writes them to the database, whose connections belong to threads."""
    told: set[threading.Thread] = set()
    items = [outgoing(image(number), tmp_path, number) for number in range(4)]
    with archive() as (port, _):
        peer = Peer("ARCHIVE", HERE, port)
        send(peer, items, lambda result: told.add(threading.current_thread()), lambda: True, 2)
    assert told == {threading.current_thread()}


def test_a_peer_that_takes_fewer_associations_gets_everything_over_those(tmp_path: Path) -> None:
    with archive(most=1) as (port, seen):
        _, summary = sent(port, tmp_path, 4)
    assert summary.stored == COUNT
    assert len(seen) == 1


def test_promise_10_an_association_that_dies_costs_only_the_image_it_was_at(tmp_path: Path) -> None:
    once = iter([True])

    def break_one(event: evt.Event) -> int:
        if next(once, False):
            event.assoc.abort()
        return 0

    with archive(stored=break_one) as (port, _):
        results, summary = sent(port, tmp_path, 3)
    assert (summary.stored, summary.later, summary.reason) == (COUNT - 1, 1, "")
    [later] = [one for one in results if one.verdict == "later"]
    assert later.reason


def test_when_all_are_lost_the_rest_comes_later_and_the_reason_is_said(tmp_path: Path) -> None:
    def break_all(event: evt.Event) -> int:
        event.assoc.abort()
        return 0

    with archive(stored=break_all) as (port, _):
        _, summary = sent(port, tmp_path, 3)
    assert (summary.stored, summary.later) == (0, COUNT)
    assert summary.reason


def test_told_to_stop_all_stop(tmp_path: Path) -> None:
    stop = threading.Event()

    def third(event: evt.Event) -> int:
        if third_one.acquire(blocking=False) is False:
            stop.set()
        return 0

    third_one = threading.Semaphore(2)
    with archive(stored=third) as (port, _):
        _, summary = sent(port, tmp_path, 2, lambda: not stop.is_set())
    assert 3 <= summary.stored <= 4
    assert summary.later == COUNT - summary.stored
    assert "stopped on our side" in summary.reason


def test_a_fault_of_whoever_is_told_ends_the_sending(tmp_path: Path) -> None:
    """It cannot note what was stored, so nothing more is sent."""
    items = [outgoing(image(number), tmp_path, number) for number in range(COUNT)]

    def broken(result: SendResult) -> None:
        raise OSError("the database is away")

    with archive() as (port, seen):
        with pytest.raises(OSError, match="away"):
            send(Peer("ARCHIVE", HERE, port), items, broken, lambda: True, 2)
        assert sum(seen.values()) <= 4
