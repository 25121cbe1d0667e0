"""One thread of a process owns its writing connection; associations hand it frozen rows and wait.

Images that arrive together share a transaction, so a hundred of them cost one fsync of the database instead of a
hundred. A batch that fails is tried again one by one: a neighbour's trouble is not
ours. Nobody is told Success before the transaction that holds his image has committed (promise 2).
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import DatabaseError, connections, transaction

Job = TypeVar("Job")
Result = TypeVar("Result")


class NotCommitting(RuntimeError):
    """The committer has stopped: the process is going down, so the image must be sent again."""


@dataclass(slots=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    future: "Future[Result]" = field(default_factory=Future)


class Committer(Generic[Job, Result]):
    def __init__(self, write: Callable[[Sequence[Job]], list[Result]], most: int = 64) -> None:
        self._write, self._most = write, most
        self._queue: queue.SimpleQueue[_Waiting[Job, Result] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._lock = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        self._thread.start()

    def commit(self, job: Job) -> Result:
        """Returns when the job's transaction has committed; raises what went wrong."""
        waiting: _Waiting[Job, Result] = _Waiting(job)
        with self._lock:
            if self._stopped:
                raise NotCommitting
            self._queue.put(waiting)
        return waiting.future.result()

    def stop(self) -> None:
        """Commit what was handed in, then end."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._batch()) is not None:
            if not self._together(batch):
                for waiting in batch:
                    self._alone(waiting)
        connections.close_all()

    def _batch(self) -> list[_Waiting[Job, Result]] | None:
        """Wait for one, then take whatever else already stands in line."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < self._most:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)
                break
            batch.append(following)
        return batch

    def _together(self, batch: list[_Waiting[Job, Result]]) -> bool:
        try:
            results = self._transaction([waiting.job for waiting in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            return len(batch) == 1
        for waiting, result in zip(batch, results, strict=True):
            waiting.future.set_result(result)
        return True

    def _alone(self, waiting: _Waiting[Job, Result]) -> None:
        try:
            waiting.future.set_result(self._transaction([waiting.job])[0])
        except Exception as error:
            waiting.future.set_exception(error)

    def _transaction(self, jobs: Sequence[Job]) -> list[Result]:
        try:
            with transaction.atomic():
                return self._write(jobs)
        except DatabaseError:
            connections.close_all()  # a connection that failed is not trusted again
            raise
