"""Processes take turns at the database; who dies or cannot lock costs nobody else theirs."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections

from proxy.reception import turns
from proxy.reception.committer import Committer
from proxy.reception.turns import Turn
from tests.network.people import wait_for

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from proxy.reception.turns import Turn
with Turn(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> "subprocess.Popen[str]":
    """Until we have nothing more to say to it."""
    words = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_one_waits_for_the_other(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "db.turn")

    def take() -> None:
        with turn:
            ours.set()

    for _ in range(2):  # it is used again and again
        ours = threading.Event()
        process = holder(tmp_path / "db.turn")
        thread = threading.Thread(target=take)
        thread.start()
        assert not ours.wait(0.3)
        process.communicate()
        thread.join(60)
        assert ours.is_set()


def test_who_dies_holding_it_holds_it_no_longer(tmp_path: Path) -> None:
    process = holder(tmp_path / "db.turn")
    process.kill()
    process.communicate()
    with Turn(tmp_path / "db.turn"):
        pass


@pytest.mark.django_db(transaction=True)
def test_who_comes_while_we_wait_is_taken_along(tmp_path: Path) -> None:
    """Two at once cost one transaction, however they met."""
    batches: list[list[int]] = []

    def write(jobs: Sequence[int]) -> list[int]:
        batches.append(list(jobs))
        return list(jobs)

    one: Committer[int, int] = Committer(write, Turn(tmp_path / "db.turn"))

    def commit(number: int) -> int:
        try:
            return one.commit(number)
        finally:
            connections.close_all()

    process = holder(tmp_path / "db.turn")
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(commit, number) for number in range(3)]
        wait_for(lambda: len(one._line) == 2)  # behind the one who waits for the turn
        process.communicate()
        assert [future.result() for future in asked] == [0, 1, 2]
    assert [sorted(batch) for batch in batches] == [[0, 1, 2]]
    one.stop()
    process.communicate()


def test_promise_2_without_a_turn_nobody_hears_success(tmp_path: Path) -> None:
    one: Committer[int, int] = Committer(list, Turn(tmp_path / "no folder" / "db.turn"))
    with pytest.raises(OSError, match="No such file"):
        one.commit(1)
    one.stop()


@pytest.mark.django_db
def test_only_sqlite_needs_turns() -> None:
    assert isinstance(turns.at_the_database(), Turn) == (connection.vendor == "sqlite")
