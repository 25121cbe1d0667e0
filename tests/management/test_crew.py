"""Processes that die, and results that come early."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.deid import KEEP_ALL, Engine
from proxy.management.batch import crew
from proxy.management.batch.crew import Crew, in_order
from proxy.management.batch.fates import CLEAN, REFUSED, UNDONE, Done, Fate
from proxy.management.batch.finding import Found, find, groups
from proxy.management.batch.running import run
from proxy.management.batch.worker import Numbered, Work

WORK = Work(Engine(KEEP_ALL), 1, "", Path("in"), None)


def files(count: int) -> list[Numbered]:
    return [(number, Path(f"{number}.dcm")) for number in range(1, count + 1)]


def _do(_: Work, group: Sequence[Numbered]) -> list[Done]:
    if any(number == 3 for number, _ in group):
        os.kill(os.getpid(), signal.SIGKILL)
    return [Done(number, Fate(CLEAN)) for number, _ in group]


def test_a_file_that_kills_its_process_twice_is_refused_and_all_others_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "do", _do)
    many = [files(10)[:5], files(10)[5:]]
    dones = [done for dones in Crew(WORK, 2, lambda: False).run(many) for done in dones]
    assert [done.number for done in dones] == list(range(1, 11))
    assert {done.number for done in dones if done.fate.kind == REFUSED} == {3}
    assert "killed" in next(done.fate.reason for done in dones if done.number == 3)


def test_what_was_not_begun_is_told_when_it_is_stopped() -> None:
    seen = Found([path for _, path in files(40)], [7] * 40)
    for jobs in (1, 2):
        dones = list(run(WORK, seen, jobs, lambda: True))
        assert [done.number for done in dones] == list(range(1, 41))
        assert {done.fate.kind for done in dones} == {UNDONE}


def test_results_come_in_order_of_the_files() -> None:
    clean = {number: Done(number, Fate(CLEAN)) for number in range(1, 8)}
    early = iter([[clean[3], clean[4]], [clean[1]], [clean[2]], [clean[7]]])
    assert [[done.number for done in dones] for dones in in_order(early)] == [[1], [2, 3, 4], [7]]


def test_every_process_gets_some_and_a_large_file_goes_alone(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}").write_bytes(bytes(number))
    seen = find(tmp_path)
    assert [path.name for path in seen.files] == [str(number) for number in range(9)]
    assert seen.sizes == list(range(9))
    assert len(list(groups(seen, 2))) >= 4
    seen.sizes[0] = 1 << 30
    first = next(groups(Found(seen.files * 20, seen.sizes * 20), 1))
    assert first == [(1, seen.files[0])]
