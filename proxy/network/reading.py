"""A Part 10 file on its way to a peer: read in large windows, past the cache of the system unless it lies there.

What reception wrote is not in that cache (`proxy/storage/direct.py`), and to bring it there costs more than to read
it: 1.2 ms of CPU for a CT, against 0.05 without (docs/performance.md). Whoever sends a file reads it once, so nothing
is lost. What lies in the cache already is read from there, and so is everything on a file system that has no other way.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from proxy.network.part10 import NotPart10, data_set_offset

WINDOW: Final = 1 << 20
"""So much of a file is held at a time: whole blocks of any disk, as reading past the cache wants them."""


def window() -> memoryview:
    """Memory that begins with a page."""
    return memoryview(mmap.mmap(-1, WINDOW, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class Shorter(OSError):
    """The file lost its end while it was read."""


class Reading:
    """A file to be sent, of which the first window is read. Raises OSError or NotPart10 when it is made.

    The pieces are views into the window, each good until the next one is asked for.
    """

    def __init__(self, path: Path, into: memoryview) -> None:
        self.path, self._window = path, into
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        if not _is_cached(self._handle, self._window):
            _past_the_cache(self._handle, wanted=True)
        self._left = os.fstat(self._handle).st_size
        first = self._read() if self._left else self._window[:0]
        offset = data_set_offset(BytesIO(first[:144]))
        if offset >= len(first):
            raise NotPart10("the file holds no data set, or hides it behind too much of meta information")
        self._whole, self._first = first, first[offset:]

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def pieces(self) -> Iterator[tuple[memoryview, bool]]:
        """The data set window by window, and whether that was the last one. Raises Shorter."""
        yield self._first, self._left == 0
        while self._left:
            yield self._read(), self._left == 0

    def with_meta(self) -> Iterator[memoryview]:
        """As `pieces`, with all that stands before the data set. Raises Shorter."""
        yield self._whole
        while self._left:
            yield self._read()

    def _read(self) -> memoryview:
        try:
            count = os.readv(self._handle, [self._window])
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _past_the_cache(self._handle, wanted=False)  # a disk of other blocks, or we stand inside of one
            count = os.readv(self._handle, [self._window])
        count = min(count, self._left)  # what was added meanwhile is not ours
        if not count:
            raise Shorter
        self._left -= count
        return self._window[:count]


def windowed(path: Path, into: memoryview) -> memoryview | None:
    """A file's data set as it lies in the window, good until something else is read there; None if it is longer.

    Raises OSError or NotPart10.
    """
    with Reading(path, into) as reading:
        data, ends = next(reading.pieces())
    return data if ends else None


def _is_cached(handle: int, window: memoryview) -> bool:
    """Whether its beginning lies in the cache: asked by a read that may not wait for the disk.

    Where it does not, that question brings one page there; it would be thirty, unless we said that we read at random.
    """
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
        found = os.preadv(handle, [window[: mmap.PAGESIZE]], 0, os.RWF_NOWAIT) > 0
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    except OSError:  # it would have to wait, or the file system knows no such question
        return False
    return found


def _past_the_cache(handle: int, *, wanted: bool) -> None:
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT)
    except OSError:
        if not wanted:
            raise
