"""Files that grow by one line at a time: whole and durable when `append` returns, or not there.

Of a line that a full disk cuts short nothing stays. What a crash cuts short has no line end: the next line begins
after one of its own, so the two are never read as one.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.storage.errors import StorageFull, full_is_said
from proxy.storage.files import sync_folder

STEP: Final = 4096
IsLine = Callable[[str], bool]


def append(path: Path, line: str, is_line: IsLine = bool) -> None:
    """What stands after the last line end is kept as a line, or cut off if `is_line` says that it is none.

    The folder must be there: what is not mounted is not written beside. Raises OSError, StorageFull.
    """
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        with full_is_said:
            _write(handle, _beginning(handle, is_line) + line.encode() + b"\n")
            os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        with suppress(OSError):  # nor can every one make a name durable
            sync_folder(path.parent)


def _beginning(handle: int, is_line: IsLine) -> bytes:
    """What has to stand before a new line."""
    tail = _tail(handle)
    if not tail:
        return b""
    is_cut = not is_line(tail.decode("utf-8", "replace")) and _cut(handle, len(tail))
    return b"" if is_cut else b"\n"


def _tail(handle: int) -> bytes:
    """Whatever stands after the last line end."""
    tail, start = b"", os.fstat(handle).st_size
    while start and b"\n" not in tail:
        step = min(STEP, start)
        start -= step
        tail = os.pread(handle, step, start) + tail
    return tail.rpartition(b"\n")[2]


def _write(handle: int, data: bytes) -> None:
    before = os.fstat(handle).st_size
    written = os.write(handle, data)
    if written < len(data):
        if os.fstat(handle).st_size == before + written:  # nobody's line stands after it
            _cut(handle, written)
        raise StorageFull(errno.ENOSPC, "The disk has no room left.")


def _cut(handle: int, length: int) -> bool:
    """Off the end; False where a file may only grow."""
    try:
        os.ftruncate(handle, os.fstat(handle).st_size - length)
    except OSError:
        return False
    return True
