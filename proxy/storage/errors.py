"""What can go wrong with a disk, whose fault it is, and the DIMSE status to answer with."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageFull(OSError):
    """Our fault: no room. The sender keeps the image and tries later."""

    status = 0xA700


class AlreadyThere(FileExistsError):
    """A file of that name is there already; it was left alone."""

    status = 0x0110


class SealBroken(ValueError):
    """A sealed file or token was damaged, cut, reordered or moved, or was made with another key."""

    status = 0x0110


@contextmanager
def full_is_said() -> Iterator[None]:
    """A disk without room comes out as StorageFull, whichever call met it first."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and not isinstance(error, StorageFull):
            raise StorageFull(error.errno, "The disk has no room left.") from None
        raise
