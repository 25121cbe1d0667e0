"""A backup copies what the database named when it began: until it is done, retention removes nothing.

A lock of the kernel on a file beside the images: whoever dies lets go of it. A backup waits for the study that is
being removed; retention does not wait for a backup, it comes again.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from proxy.storage.files import make_folder

NAME = "retention.lock"


@contextmanager
def paused() -> Iterator[None]:
    """Nothing expires and nothing of it is removed. Raises OSError."""
    handle = _opened()
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def free_to_remove() -> Iterator[bool]:
    """False while a backup is being made, or another process is at it. Raises OSError."""
    handle = _opened()
    try:
        yield _is_taken(handle)
    finally:
        os.close(handle)


def _is_taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened() -> int:
    folder = Path(settings.DICOM_STORAGE_DIR)
    make_folder(folder)
    return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
