"""A deflated data set (PS3.5 A.5) on its way: inflated piece by piece within a limit, and deflated again."""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Final

from proxy.deid.errors import TooInflated, Unreadable

_STEP: Final = 1 << 20
_MOST_BEHIND: Final = 1 << 12


class Deflated:
    """Of one pass. `behind` is what stood behind the data set, `digest` that of the whole stream as it came."""

    __slots__ = ("_hash", "_inflate", "_limit", "_pack", "_size", "behind")

    def __init__(self, limit: int) -> None:
        self._inflate = zlib.decompressobj(-15)
        self._pack = zlib.compressobj(6, zlib.DEFLATED, -15)
        self._limit = limit
        self._size = 0
        self._hash = hashlib.sha256()
        self.behind = b""

    def inflated(self, view: bytes | memoryview) -> Iterator[memoryview]:
        """What comes out of it. Raises Unreadable, or TooInflated beyond the limit."""
        inflate = self._inflate
        self._hash.update(view)
        if inflate.eof:
            self._add_behind(view)
        data: bytes | memoryview = view
        while data and not inflate.eof:
            try:
                piece = inflate.decompress(data, _STEP)
            except zlib.error:
                raise Unreadable("the deflated data set cannot be inflated") from None
            self._size += len(piece)
            if self._size > self._limit:
                raise TooInflated("the deflated data set inflates beyond the limit")
            yield memoryview(piece)
            data = inflate.unconsumed_tail
            if inflate.eof:
                self._add_behind(inflate.unused_data)

    def _add_behind(self, data: bytes | memoryview) -> None:
        """Padding, or a checksum that somebody wrote: not passed on, but sealed."""
        self.behind += data
        if len(self.behind) > _MOST_BEHIND:
            raise Unreadable("there is more behind the deflated data set than in a trailer")

    @property
    def is_whole(self) -> bool:
        return self._inflate.eof

    @property
    def digest(self) -> bytes:
        return self._hash.digest()

    def packed(self, pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
        packed = [self._pack.compress(piece) for piece in pieces]
        return [piece for piece in packed if piece]

    def rest(self) -> bytes:
        return self._pack.flush()
