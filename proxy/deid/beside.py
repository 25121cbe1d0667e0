"""A digest that is made in a thread of its own while its caller reads and writes: both let go of Python's lock."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Protocol

_SMALL: Final = 1 << 16  # less is sooner done than handed over


class Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class Beside:
    """SHA-256. What was given to update() must stay as it is until the next update() or the turn() after the next."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._last: Future[None] | None = None
        self._before: Future[None] | None = None  # what was under way at the last turn

    def update(self, data: bytes | memoryview, /) -> None:
        self._wait()
        if len(data) < _SMALL:
            self._hash.update(data)
        else:
            self._last = self._thread.submit(self._hash.update, data)

    def turn(self) -> None:
        """The caller is about to overwrite what it gave before its last turn."""
        if self._before is not None:
            self._before.result()
        self._before = self._last

    def digest(self) -> bytes:
        self._wait()
        return self._hash.digest()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def __enter__(self) -> "Beside":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
