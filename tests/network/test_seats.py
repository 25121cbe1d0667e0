"""A limit holds over all processes that share it, whoever of them dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.network.seats import Board, Seats, SharedSeats

ROOT = Path(__file__).resolve().parents[2]
TAKE = """
import sys
from proxy.network.seats import Board, SharedSeats
seats = SharedSeats(50, Board(int(sys.argv[1])), int(sys.argv[2]))
print(sum(seats.take() for _ in range(100)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board.made()
    yield made
    made.close()


def taker(board: Board, slot: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(board.descriptor), str(slot)],
        cwd=ROOT,
        pass_fds=[board.descriptor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_seats_of_one_process() -> None:
    seats = Seats(2)
    assert [seats.take() for _ in range(3)] == [True, True, False]
    seats.leave()
    assert seats.take()


def test_two_processes_never_take_more_than_there_are(board: Board) -> None:
    processes = [taker(board, slot) for slot in range(4)]
    got = [int(process.stdout.readline()) for process in processes if process.stdout is not None]
    assert sum(got) == board.taken() == 50
    for process in processes:
        process.communicate()


def test_what_a_killed_process_held_is_free_again(board: Board) -> None:
    process = taker(board, 3)
    assert process.stdout is not None and process.stdout.readline() == "50\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ours = SharedSeats(50, board, 0)
    assert not ours.take()
    board.clear(3)
    assert ours.take()


def test_threads_of_one_process_do_not_miscount(board: Board) -> None:
    seats = SharedSeats(1000, board, 7)

    def come_and_go(_: int) -> None:
        for _ in range(200):
            assert seats.take()
            seats.leave()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    assert board.taken() == 0
