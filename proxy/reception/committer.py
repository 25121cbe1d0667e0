"""Associations commit for each other: one at a time, everybody in line at once.

Whoever comes while nobody is committing does so on its own thread: an image that comes alone is handed to nobody and
waits for nobody. Those that come meanwhile stand in line; the first of them then commits for all who stand there once
its turn at the database has come, so that a hundred images cost one fsync instead of a hundred. A batch that fails is
tried again one by one: a neighbour's trouble is not ours. One of which nobody knows whether it has committed is not:
each image of it would meet itself. Nobody is told Success before the transaction that holds his image has committed
(promise 2).
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Generic, NoReturn, TypeVar

from django.db import DatabaseError, InterfaceError, connections

from proxy.commits import InDoubt, surely

Job = TypeVar("Job")
Result = TypeVar("Result")


class NotCommitting(RuntimeError):
    """The committer has stopped: the process is going down, so the image must be sent again."""


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    turn: threading.Lock = field(
        default_factory=_locked
    )  # released when there is an outcome, or nobody commits
    outcome: Callable[[], Result] | None = None

    def result(self) -> Result:
        if self.outcome is None:
            raise NotCommitting
        return self.outcome()


class Committer(Generic[Job, Result]):
    def __init__(
        self,
        write: Callable[[Sequence[Job]], list[Result]],
        turn: AbstractContextManager[object] | None = None,
        most: int = 64,
    ) -> None:
        """`turn` is held around each transaction."""
        self._write, self._turn, self._most = write, turn or nullcontext(), most
        self._line: deque[_Waiting[Job, Result]] = deque()
        self._committing = False
        self._stopped = False
        self._change = threading.Condition()

    def commit(self, job: Job) -> Result:
        """Returns when the job's transaction has committed; raises what went wrong."""
        mine: _Waiting[Job, Result] = _Waiting(job)
        if not self._stand_in_line(mine):
            mine.turn.acquire()
        if mine.outcome is None:
            self._commit_the_line()
        return mine.result()

    def stop(self) -> None:
        """Take nothing more; returns when what was handed in is committed."""
        with self._change:
            self._stopped = True
            self._change.wait_for(lambda: not self._committing)

    def _stand_in_line(self, mine: _Waiting[Job, Result]) -> bool:
        """True if nobody is committing: then we are."""
        with self._change:
            if self._stopped:
                raise NotCommitting
            self._line.append(mine)
            first, self._committing = not self._committing, True
            return first

    def _commit_the_line(self) -> None:
        """Whoever calls this is the first in line."""
        batch = [self._line.popleft()]
        try:
            if not self._together(batch):
                for waiting in batch:
                    self._alone(waiting)
        finally:
            _fail(batch, InDoubt("The process is being killed."))
            for waiting in batch:
                waiting.turn.release()
            self._pass_on()

    def _pass_on(self) -> None:
        """Whoever is first in line now commits."""
        with self._change:
            if self._line:
                self._line[0].turn.release()
            else:
                self._committing = False
                self._change.notify_all()

    def _together(self, batch: list[_Waiting[Job, Result]]) -> bool:
        """Adds whoever stands in line once our turn has come. False: each must be tried alone."""
        try:
            with self._turn:
                batch.extend(self._others())
                self._commit_for(batch)
        except Exception as error:
            if len(batch) == 1 or isinstance(error, InDoubt):
                _fail(batch, error)
        return all(waiting.outcome for waiting in batch)

    def _others(self) -> list[_Waiting[Job, Result]]:
        with self._change:
            return [self._line.popleft() for _ in range(min(len(self._line), self._most - 1))]

    def _alone(self, waiting: _Waiting[Job, Result]) -> None:
        try:
            with self._turn:
                self._commit_for([waiting])
        except Exception as error:
            _fail([waiting], error)

    def _commit_for(self, batch: Sequence[_Waiting[Job, Result]]) -> None:
        """Whatever happens after this, they have been committed."""
        results = self._transaction([waiting.job for waiting in batch])
        for waiting, result in zip(batch, results, strict=True):
            waiting.outcome = _returns(result)

    def _transaction(self, jobs: Sequence[Job]) -> list[Result]:
        try:
            with surely():
                return self._write(jobs)
        except (DatabaseError, InterfaceError):
            connections.close_all()  # a connection that failed is not trusted again
            raise


def _fail(batch: Sequence[_Waiting[Job, Result]], error: Exception) -> None:
    """Those that have no outcome yet."""
    for waiting in batch:
        waiting.outcome = waiting.outcome or _raises(error)


def _returns(result: Result) -> Callable[[], Result]:
    return lambda: result


def _raises(error: Exception) -> Callable[[], NoReturn]:
    def outcome() -> NoReturn:
        raise error

    return outcome
