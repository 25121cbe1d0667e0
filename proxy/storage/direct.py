"""Bytes on their way into a file, past the cache of the system.

A new page of that cache can cost far more than the bytes in it, above all on a virtual machine, which has to get
the page from its host first: of 2 ms for a CT written, synced and named, 1.3 (docs/performance.md). So what is
appended gathers in an aligned buffer, and leaves it in whole blocks for the disk itself (O_DIRECT). The last block,
which is seldom whole, goes through the cache, and so does everything on a file system that has no other way.
Nothing is durable before `fsync`, as ever.
"""

import errno
import fcntl
import mmap
import os
from typing import Final

BLOCK: Final = 4096
"""A multiple of every disk's own block, to which memory, place and length must be aligned."""
ROOM: Final = 1 << 20
"""What is gathered before it is written: so much memory does an open file cost."""
MOST_IDLE: Final = 8

_idle: list[mmap.mmap] = []


class Appender:
    """Belongs to one open file until `close()`; the handle is the caller's, and stays open."""

    __slots__ = ("_buffer", "_direct", "_filled", "_handle", "_view")

    def __init__(self, handle: int) -> None:
        self._handle, self._filled = handle, 0
        self._buffer = _borrowed()
        self._view = memoryview(self._buffer)
        self._direct = _past_the_cache(handle, wanted=True)

    def write(self, data: memoryview) -> None:
        """Bytes that may change after the call. Raises what the disk has to say of them, or of earlier ones."""
        at, end = 0, len(data)
        while at < end:
            step = min(ROOM - self._filled, end - at)
            self._view[self._filled : self._filled + step] = data[at : at + step]
            self._filled += step
            at += step
            if self._filled == ROOM:
                self._put(0, ROOM)
                self._filled = 0

    def flush(self) -> None:
        """All of it is in the file now. What comes after this goes through the cache."""
        whole = self._filled // BLOCK * BLOCK
        self._put(0, whole)
        self._direct = self._direct and _past_the_cache(self._handle, wanted=False)
        self._put(whole, self._filled)
        self._filled = 0

    def close(self) -> None:
        """What was not flushed is lost."""
        self._view.release()
        _give_back(self._buffer)

    def _put(self, at: int, end: int) -> None:
        while at < end:
            try:
                at += os.write(self._handle, self._view[at:end])
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._direct = _past_the_cache(self._handle, wanted=False)  # other blocks than we thought


def _past_the_cache(handle: int, *, wanted: bool) -> bool:
    """Whether the file is written past the cache from now on; some file systems cannot."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    flags = flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, flags)
    except OSError:
        return not wanted
    return wanted


def _borrowed() -> mmap.mmap:
    try:
        return _idle.pop()
    except IndexError:
        return mmap.mmap(-1, ROOM, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _give_back(buffer: mmap.mmap) -> None:
    if len(_idle) < MOST_IDLE:
        _idle.append(buffer)
    else:
        buffer.close()
