"""A crew of processes that does groups of files; one that is killed is replaced, and its files are done again.

Plain pipes, one for each process: a pool of the standard library breaks as a whole when one of its processes dies.
Results come in order of the files. A group whose process died is done again file by file; a file that takes a
process with it twice is refused. Workers leave SIGINT and SIGTERM to the one who leads them, and end when it ends.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from django.db import connections

from proxy.management.batch.fates import REFUSED, Done, Fate
from proxy.management.batch.worker import Numbered, Work, do

KILLED: Final = "The process that worked on it was killed twice."
LOOK: Final = 0.2  # seconds between looks whether somebody said stop
_fork = multiprocessing.get_context("fork")


@dataclass(slots=True)
class Group:
    """Some files that one process does together."""

    files: list[Numbered]
    deaths: int = 0


@dataclass(slots=True)
class Worker:
    process: BaseProcess
    line: Connection
    busy: Group | None = None


@dataclass(slots=True)
class Crew:
    """`run` once. The database is closed here while processes are made: a connection belongs to one process."""

    work: Work
    jobs: int
    stopped: Callable[[], bool]
    _waiting: deque[Group] = field(default_factory=deque)
    _workers: list[Worker] = field(default_factory=list)

    def run(self, groups: Sequence[Sequence[Numbered]]) -> Iterator[list[Done]]:
        """As files are done: lists in order of the files, without those that were not begun when it was stopped."""
        self._waiting.extend(Group(list(group)) for group in groups)
        try:
            for _ in range(min(self.jobs, len(groups))):
                self._hire()
            yield from in_order(self._results())
        finally:
            self._dismiss()

    def _results(self) -> Iterator[list[Done]]:
        self._hand_out()
        while any(worker.busy for worker in self._workers):
            lines = [worker.line for worker in self._workers if worker.busy]
            for line in wait(lines, LOOK):
                worker = next(one for one in self._workers if one.line is line)
                yield self._heard(worker)
            self._hand_out()

    def _hand_out(self) -> None:
        for worker in list(self._workers):
            if worker.busy is None and self._waiting and not self.stopped():
                group = self._waiting.popleft()
                worker.busy = group
                try:
                    worker.line.send(group.files)
                except OSError:  # it died idle: noticed as the end of its line
                    continue

    def _heard(self, worker: Worker) -> list[Done]:
        group = worker.busy
        assert group is not None  # noqa: S101 - for mypy: only busy ones are listened to
        try:
            done: list[Done] = worker.line.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return self._again(group)
        worker.busy = None
        return done

    def _again(self, group: Group) -> list[Done]:
        """Nobody knows which file of several it was; one alone is blamed the second time."""
        alone = len(group.files) == 1
        if alone and group.deaths:
            return [Done(group.files[0][0], Fate(REFUSED, KILLED))]
        self._waiting.extendleft(Group([file], int(alone)) for file in reversed(group.files))
        return []

    def _hire(self) -> None:
        connections.close_all()
        ours, theirs = _fork.Pipe()
        others = [worker.line for worker in self._workers]
        process = _fork.Process(target=_serve, args=(self.work, theirs, [*others, ours]), daemon=True)
        process.start()
        theirs.close()
        self._workers.append(Worker(process, ours))

    def _replace(self, worker: Worker) -> None:
        worker.line.close()
        worker.process.join()
        self._workers.remove(worker)
        self._hire()

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.line.close()
        for worker in self._workers:
            worker.process.join(10)
            if worker.process.is_alive():
                worker.process.kill()


def _serve(work: Work, line: Connection, others: Sequence[Connection]) -> None:
    """In the worker: until the line ends. Other workers' lines are closed, so that each sees its own end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for other in others:
        other.close()
    try:
        while True:
            line.send(do(work, line.recv()))
    except (EOFError, OSError):
        os._exit(0)


def in_order(results: Iterator[list[Done]]) -> Iterator[list[Done]]:
    """Held back until everything before has come; at the end, what came after a gap."""
    early: dict[int, Done] = {}
    following = 1
    for dones in results:
        early.update((done.number, done) for done in dones)
        ready = []
        while following in early:
            ready.append(early.pop(following))
            following += 1
        if ready:
            yield ready
    if early:
        yield [early[number] for number in sorted(early)]
