"""The committer: together where possible, alone where a neighbour fails, and never Success without a commit."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from django.db import DatabaseError

from proxy.reception.committer import Committer, NotCommitting
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
        assert self.go_on.wait(10)
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
    one.start()
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

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    threads[0].start()
    assert writer.first_is_in.wait(10)
    for thread in threads[1:]:
        thread.start()
    while committer._queue.qsize() < len(names) - 1:
        pass
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


def test_after_the_end_nothing_is_promised(writer: Writer) -> None:
    one: Committer[str, str] = Committer(writer)
    one.start()
    one.stop()
    with pytest.raises(NotCommitting):
        one.commit("late")
