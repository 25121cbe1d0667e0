"""What can go wrong with a disk, whose fault it is, and the DIMSE status to answer with."""

import errno
from typing import Final

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


class FullIsSaid:
    """A disk without room comes out as StorageFull, whichever call met it first."""

    __slots__ = ()

    def __enter__(self) -> None:
        """A class and no generator: this is entered many times for an image."""

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if isinstance(error, OSError) and error.errno in FULL and not isinstance(error, StorageFull):
            raise StorageFull(error.errno, "The disk has no room left.") from None


full_is_said: Final = FullIsSaid()
