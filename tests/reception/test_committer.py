"""The committer: together where possible, alone where a neighbour fails, and never Success without a commit."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from django.db import DatabaseError, connections

from proxy.commits import InDoubt
from proxy.reception.committer import Committer, NotCommitting, _Waiting
from proxy.routing.models import Project

pytestmark = pytest.mark.django_db(transaction=True)


class Writer:
    """Writes projects; a name that begins with "bad" fails the whole transaction."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.first_is_in, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, names: Sequence[str]) -> list[str]:
        self.first_is_in.set()
        assert self.go_on.wait(60)
        self.batches.append(list(names))
        for name in names:
            Project.objects.create(name=name)
        if any(name.startswith("bad") for name in names):
            raise DatabaseError("no")
        return [name.upper() for name in names]


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def committer(writer: Writer) -> Iterator[Committer[str, str]]:
    one: Committer[str, str] = Committer(writer)
    yield one
    one.stop()


def _at_once(committer: Committer[str, str], writer: Writer, names: list[str]) -> dict[str, object]:
    """The first holds the writer until all others stand in line."""
    writer.go_on.clear()
    results: dict[str, object] = {}

    def one(name: str) -> None:
        try:
            results[name] = committer.commit(name)
        except DatabaseError as error:
            results[name] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    threads[0].start()
    assert writer.first_is_in.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(committer._line) < len(names) - 1:
        time.sleep(0.001)
    writer.go_on.set()
    for thread in threads:
        thread.join(10)
    return results


def test_a_commit_returns_when_it_is_committed(committer: Committer[str, str]) -> None:
    assert committer.commit("one") == "ONE"
    assert Project.objects.filter(name="one").exists()


def test_those_who_wait_share_a_transaction(committer: Committer[str, str], writer: Writer) -> None:
    results = _at_once(committer, writer, ["a", "b", "c", "d"])
    assert results == {name: name.upper() for name in "abcd"}
    assert sorted(len(batch) for batch in writer.batches) == [1, 3]


def test_a_neighbours_trouble_is_not_ours(committer: Committer[str, str], writer: Writer) -> None:
    results = _at_once(committer, writer, ["a", "b", "bad", "d"])
    assert isinstance(results.pop("bad"), DatabaseError)
    assert results == {"a": "A", "b": "B", "d": "D"}
    assert set(Project.objects.values_list("name", flat=True)) == {"a", "b", "d"}


def test_whoever_comes_alone_commits_on_their_own_thread(committer: Committer[str, str]) -> None:
    threads = threading.active_count()
    assert committer.commit("one") == "ONE"
    assert threading.active_count() == threads


def test_a_long_line_is_committed_in_order_and_in_parts(writer: Writer) -> None:
    committer: Committer[str, str] = Committer(writer, most=2)
    results = _at_once(committer, writer, ["a", "b", "c", "d", "e", "f"])
    assert results == {name: name.upper() for name in "abcdef"}
    assert [len(batch) for batch in writer.batches] == [1, 2, 2, 1]


def test_of_many_at_once_each_is_committed_once(committer: Committer[str, str], writer: Writer) -> None:
    heard: list[str] = []

    def commit_some(number: int) -> None:
        heard.extend(committer.commit(f"{number}/{image}") for image in range(25))
        connections.close_all()

    threads = [threading.Thread(target=commit_some, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    wanted = sorted(f"{number}/{image}" for number in range(6) for image in range(25))
    assert sorted(heard) == wanted
    assert sorted(name for batch in writer.batches for name in batch) == wanted
    assert sorted(Project.objects.values_list("name", flat=True)) == wanted


def test_whoever_commits_for_others_and_is_killed_leaves_nobody_waiting(writer: Writer) -> None:
    def killed(names: Sequence[str]) -> list[str]:
        if "killed" in names:
            raise KeyboardInterrupt
        return writer(names)

    committer: Committer[str, str] = Committer(killed)
    with pytest.raises(KeyboardInterrupt):
        committer.commit("killed")
    assert committer.commit("next") == "NEXT"
    committer.stop()


def test_promise_2_those_for_whom_a_killed_one_commits_do_not_know_whether_it_has() -> None:
    class Turn:
        def __enter__(self) -> None:
            committer._line.append(other)

        def __exit__(self, *trouble: object) -> None:
            pass

    def killed(names: Sequence[str]) -> list[str]:
        raise KeyboardInterrupt

    other: _Waiting[str, str] = _Waiting("b")
    committer: Committer[str, str] = Committer(killed, Turn())
    with pytest.raises(KeyboardInterrupt):
        committer.commit("a")
    with pytest.raises(InDoubt):
        other.result()


def test_the_end_waits_for_those_in_line(writer: Writer) -> None:
    committer: Committer[str, str] = Committer(writer)
    writer.go_on.clear()
    results: list[str] = []

    def commit(name: str) -> None:
        results.append(committer.commit(name))
        connections.close_all()

    threads = [threading.Thread(target=commit, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    while len(committer._line) < 2:
        time.sleep(0.001)
    ending = threading.Thread(target=committer.stop)
    ending.start()
    while not committer._stopped:
        time.sleep(0.001)
    assert ending.is_alive()
    writer.go_on.set()
    ending.join(10)
    assert len(writer.batches) == 2
    for thread in threads:
        thread.join(10)
    assert sorted(results) == ["A", "B", "C"]


def test_after_the_end_nothing_is_promised(writer: Writer) -> None:
    one: Committer[str, str] = Committer(writer)
    one.stop()
    with pytest.raises(NotCommitting):
        one.commit("late")
