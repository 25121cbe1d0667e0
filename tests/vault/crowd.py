"""Several processes that do one thing at the same moment, each with a database connection of its own."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")
_start: Barrier


def at_once(count: int, work: Callable[[int], Result]) -> Sequence[Result]:
    """`work(0)` … `work(count - 1)`, started together in processes of their own; `work` is a module's function."""
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(count, fork, _begin, (fork.Barrier(count),)) as pool:
        return list(pool.map(_wait_and_work, [work] * count, range(count), timeout=150))


def _begin(barrier: Barrier) -> None:
    global _start  # noqa: PLW0603 - a process of the pool is told once
    _start = barrier


def _wait_and_work(work: Callable[[int], Result], number: int) -> Result:
    _start.wait(100)
    try:
        return work(number)
    finally:
        connections.close_all()
