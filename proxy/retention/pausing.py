"""A backup copies what the database named when it began: until it is done, retention removes nothing.

Locks of the kernel on two files beside the images: whoever dies lets go of them. A backup first says that it comes,
then waits for the study that is being removed; retention asks between two studies whether somebody comes, and never
waits.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from proxy.storage.files import make_folder

COMES, REMOVES = "backup.lock", "retention.lock"


@contextmanager
def paused() -> Iterator[None]:
    """Nothing expires and nothing of it is removed. Raises OSError."""
    with _opened(COMES) as comes, _opened(REMOVES) as removes:
        fcntl.flock(comes, fcntl.LOCK_SH)
        fcntl.flock(removes, fcntl.LOCK_SH)
        yield


@contextmanager
def free_to_remove() -> Iterator[bool]:
    """False while a backup is being made, or another process is at it. Raises OSError."""
    with _opened(REMOVES) as removes:
        yield not backup_comes() and _is_taken(removes)


def backup_comes() -> bool:
    """To be asked between two studies."""
    with _opened(COMES) as comes:
        return not _is_taken(comes)


def _is_taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _opened(name: str) -> Iterator[int]:
    folder = Path(settings.DICOM_STORAGE_DIR)
    make_folder(folder)
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)
