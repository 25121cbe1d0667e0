"""A commit that happens and whose answer is lost: whatever a sender hears, no row is without its file (promise 2)."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_save
from pydicom.dataset import Dataset

from proxy import pipeline
from proxy.deliveries import ledger
from proxy.quarantine.models import HeldItem
from proxy.reception import held, storing
from proxy.reception.committer import Committer
from proxy.reception.storing import Commit, Written
from proxy.retrieval.models import Result
from proxy.routing.match import RouteFacts
from proxy.studies.models import Instance, Revision
from proxy.vault import seals
from proxy.vault.models import Seal
from tests import cast, results
from tests.reception.sending import command_for, encode, files, receive, send
from tests.reception.test_image import burned_in
from tests.retrieval.home.scene import Hospital

pytestmark = pytest.mark.django_db(transaction=True)

COMMIT: Any = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]


def deaf(database: BaseDatabaseWrapper) -> None:
    """Commit over a connection that is cut towards us; if that was soon enough, wait until the server has answered."""
    with socket.socket(fileno=os.dup(database.connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RD)
        try:
            COMMIT(database)
        except OperationalError:
            end = time.monotonic() + 10
            while not ours.recv(1) and time.monotonic() < end:
                time.sleep(0.001)
            raise


@dataclass
class Line:
    """To the database; the answer to the next commit after `arm` does not come through."""

    armed: bool = False
    lost: int = 0

    def arm(self) -> None:
        self.armed = True

    def commit(self, database: BaseDatabaseWrapper) -> None:
        if not self.armed:
            COMMIT(database)
            return
        self.armed, self.lost = False, self.lost + 1
        commit = deaf if database.vendor == "postgresql" else COMMIT
        commit(database)
        raise OperationalError("server closed the connection unexpectedly")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    one = Line()

    def commit(database: BaseDatabaseWrapper) -> None:
        one.commit(database)

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit)
    return one


@pytest.fixture
def loses(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """The first commit of images."""
    write, once = storing.write, iter([line.arm])

    def written(batch: Sequence[Commit]) -> list[Written]:
        outcomes = write(batch)
        next(once, lambda: None)()
        return outcomes

    monkeypatch.setattr(storing, "write", written)
    return line


def armed_by(line: Line, model: Any) -> Iterator[Line]:
    """The first commit of such a row."""

    def arm(**_: object) -> None:
        post_save.disconnect(arm, sender=model)
        line.arm()

    post_save.connect(arm, sender=model)
    yield line
    post_save.disconnect(arm, sender=model)


@pytest.fixture
def loses_held(line: Line) -> Iterator[Line]:
    yield from armed_by(line, HeldItem)


@pytest.fixture
def loses_result(line: Line) -> Iterator[Line]:
    yield from armed_by(line, Result)


def all_have_files(data: Path) -> bool:
    """And there is no file besides, once everybody has heard Success."""
    rows = [f"studies/{path}" for path in Instance.objects.values_list("path", flat=True)]
    rows += [f"quarantine/{item.path}" for item in HeldItem.objects.filter(state="held")]
    rows += [f"results/{path}" for path in Result.objects.values_list("path", flat=True)]
    rows += [f"vault/{path}" for path in Seal.objects.exclude(path="").values_list("path", flat=True)]
    return bool(rows) and files(data) == sorted(rows)


def test_promise_2_an_image_whose_commit_is_in_doubt_keeps_its_files(
    route: RouteFacts, data: Path, loses: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "SMALL", 10)
    assert send(route, cast.ct()) == 0xA700
    assert loses.lost == 1 and Instance.objects.count() == 1 and all_have_files(data)
    assert send(route, cast.ct()) == 0
    assert Instance.objects.count() == 1 and all_have_files(data)


class Gathering:
    """A turn at the database that waits until so many stand in line."""

    def __init__(self, others: int) -> None:
        self.others, self.committer = others, None

    def __enter__(self) -> None:
        while self.committer is not None and len(self.committer._line) < self.others:
            threading.Event().wait(0.001)

    def __exit__(self, *trouble: object) -> None:
        self.committer = None


def at_once(route: RouteFacts, images: list[Dataset], committer: Any) -> list[int]:
    heard: list[int] = []

    def one(image: Dataset) -> None:
        heard.append(receive(route, encode(image), command_for(image), commits=committer).status)
        connections.close_all()

    threads = [threading.Thread(target=one, args=(image,)) for image in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return heard


def gathered(turn: Any) -> Committer[Commit, Written]:
    committer: Committer[Commit, Written] = Committer(storing.write, turn)
    turn.committer = committer
    return committer


def test_promise_2_of_a_batch_in_doubt_nobody_hears_success_and_no_file_goes(
    route: RouteFacts, data: Path, loses: Line
) -> None:
    images = [cast.ct(instance=number) for number in (1, 2, 3)]
    assert at_once(route, images, gathered(Gathering(2))) == [0xA700] * 3
    assert loses.lost == 1 and Instance.objects.count() == 3 and all_have_files(data)
    assert [send(route, image) for image in images] == [0] * 3
    assert Instance.objects.count() == 3 and all_have_files(data)


def test_promise_2_what_goes_wrong_behind_a_commit_takes_nothing_back(route: RouteFacts, data: Path) -> None:
    class Broken(Gathering):
        def __exit__(self, *trouble: object) -> None:
            super().__exit__()
            raise OSError("no lock to give back")

    images = [cast.ct(instance=number) for number in (1, 2)]
    assert at_once(route, images, gathered(Broken(1))) == [0, 0]
    assert at_once(route, [cast.ct(instance=3)], gathered(Broken(0))) == [0]
    assert Instance.objects.count() == 3 and all_have_files(data)


def test_promise_2_an_image_that_meets_its_own_row_is_kept(route: RouteFacts, data: Path) -> None:
    class Twice:
        def commit(self, job: Commit) -> Written:
            held.Direct().commit(job)
            return held.Direct().commit(job)

    assert receive(route, encode(cast.ct()), command_for(cast.ct()), commits=Twice()).status == 0
    assert Instance.objects.count() == 1 and all_have_files(data)


def test_promise_2_a_held_image_whose_commit_is_in_doubt_keeps_its_file(
    route: RouteFacts, data: Path, loses_held: Line
) -> None:
    assert send(route, burned_in()) == 0xA700
    assert loses_held.lost == 1 and HeldItem.objects.count() == 1 and all_have_files(data)
    assert send(route, burned_in()) == 0
    assert HeldItem.objects.count() == 1 and all_have_files(data)


def test_promise_2_a_release_whose_commit_is_in_doubt_loses_nothing(
    route: RouteFacts, data: Path, loses: Line
) -> None:
    assert send(route, burned_in()) == 0
    with pytest.raises(OperationalError):
        pipeline.release_held(HeldItem.objects.get().pk, "ada")
    assert loses.lost == 1 and HeldItem.objects.get().state == "released"
    assert (data / "studies" / Instance.objects.get().path).is_file()
    [balance] = ledger.balance()
    assert (balance.received, balance.held, balance.difference) == (1, 0, 0)


def test_promise_2_a_result_whose_commit_is_in_doubt_keeps_its_file(data: Path, loses_result: Line) -> None:
    hospital = Hospital.build()
    result = results.made("SC", hospital.outside(cast.ct()))
    assert hospital.comes_home(result).status == 0xA700
    assert loses_result.lost == 1 and Result.objects.count() == 1 and all_have_files(data)
    assert hospital.comes_home(result).status == 0
    assert Result.objects.count() == 1 and all_have_files(data)


def test_promise_2_a_file_of_an_old_seal_that_cannot_be_removed_undoes_nothing(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(paths: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(seals, "SMALL", 10)
    assert send(route, cast.ct()) == 0
    Revision.objects.update(state="expired")
    monkeypatch.setattr(seals, "remove_files", broken)
    assert send(route, cast.ct()) == 0
    here = Instance.objects.get(expired=0)
    assert (data / "studies" / here.path).is_file()
    assert (seals.vault_root() / Seal.objects.get().path).is_file()
