"""A file, and behind its end what lies in memory: for what may be read but never written."""

import io
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import BinaryIO

from proxy.storage.files import Buffer


def followed(file: BinaryIO, behind: Sequence[Buffer]) -> BinaryIO:
    """To be read from the file's present place on."""
    return io.BufferedReader(_Followed(file, behind)) if behind else file


class _Followed(io.RawIOBase):
    def __init__(self, file: BinaryIO, behind: Sequence[Buffer]) -> None:
        self._file, self._at = file, file.tell()
        self._pieces = [memoryview(piece).cast("B") for piece in behind]
        self._starts = [file.seek(0, os.SEEK_END)]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + len(piece))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + (0, self._at, self._starts[-1])[whence]
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """From one of them at a time."""
        if self._at < self._starts[0]:
            self._file.seek(self._at)
            piece = self._file.read(min(len(buffer), self._starts[0] - self._at))
        else:
            piece = self._from_memory(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _from_memory(self, size: int) -> bytes:
        for piece, (start, end) in zip(self._pieces, pairwise(self._starts), strict=True):
            if start <= self._at < end:
                return bytes(piece[self._at - start : self._at - start + size])
        return b""
