"""Make a ZIP of our files as a stream: ZIP64, the same bytes each time, and neither it nor a file whole in memory."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from stream_zip import ZIP_64, stream_zip

PIECE = 1 << 20
DATE = datetime(1980, 1, 1)  # fixed, so that a retry makes the same file


class SourceError(Exception):
    """Our own file, not the place that is written to."""


class StoppedError(Exception):
    """`keep_going` said no in the middle."""


def pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError:
        raise SourceError from None


def zipped(members: Iterable[tuple[str, Iterable[bytes]]], keep_going: Callable[[], bool]) -> Iterator[bytes]:
    """Each member's name and content, which is read when its turn comes."""

    def files() -> Iterator[tuple[str, datetime, int, object, Iterator[bytes]]]:
        for name, content in members:
            yield name, DATE, 0o100644, ZIP_64, _stoppable(content, keep_going)

    yield from stream_zip(files(), chunk_size=PIECE, get_compressobj=_deflate, extended_timestamps=False)


def _stoppable(content: Iterable[bytes], keep_going: Callable[[], bool]) -> Iterator[bytes]:
    if not keep_going():
        raise StoppedError
    for piece in content:
        yield piece
        if len(piece) == PIECE and not keep_going():
            raise StoppedError


def _deflate() -> "zlib._Compress":
    return zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
