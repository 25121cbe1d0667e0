"""An original made of its clean file and its seal while it goes out: nothing of it is ever written (promise 6)."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from proxy.deid.restore import original, original_at_once, syntax_of
from proxy.deid.seal import Opened
from proxy.network.giving import Restored, Withheld
from proxy.network.part10 import NotPart10, data_set_offset
from proxy.network.reading import windowed
from proxy.retrieval import heading, opening

AT_ONCE = 4 << 20
"""So much is made before the first byte goes: of most images it is then known that they are whole."""
TROUBLES = (*opening.TROUBLES, NotPart10, OSError)
Piece = bytes | memoryview


def restored(path: Path, syntax: str, seal: Callable[[], Opened], window: memoryview) -> Restored:
    """Raises Withheld, as do its pieces. `window` is what a file is read into: they are good until it is used again."""
    try:
        opened = seal()
        first, rest = _original(path, syntax, opened, window)
    except TROUBLES as trouble:
        raise Withheld(type(trouble).__name__) from None
    was = syntax_of(opened, syntax)
    try:
        sop_class, sop_instance = heading.sop_of(_start(first), was)
    except Exception as trouble:  # whatever pydicom stumbles over in an original that never was right
        raise Withheld(type(trouble).__name__) from None
    return Restored(sop_class, sop_instance, was, first if rest is None else chain(first, rest))


def _original(
    path: Path, syntax: str, opened: Opened, window: memoryview
) -> tuple[list[Piece], Iterator[Piece] | None]:
    """What of it was made at once, and what is made while it goes.

    A file that is not long is read past the cache of the system, which costs less, and checked before it is touched.
    """
    clean = windowed(path, window)
    if clean is not None:
        return original_at_once(clean, syntax, opened), None
    pieces = _read_while_it_goes(path, syntax, opened)
    return _taken(pieces), pieces


def _read_while_it_goes(path: Path, syntax: str, opened: Opened) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(data_set_offset(file))
            yield from original(file, syntax, opened)
    except TROUBLES as trouble:
        raise Withheld(type(trouble).__name__) from None


def _taken(pieces: Iterator[Piece]) -> list[Piece]:
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size >= AT_ONCE:
            break
    return found


def _start(pieces: Iterable[Piece]) -> bytes:
    """So much of it as is looked at."""
    start = bytearray()
    for piece in pieces:
        start += piece[: heading.HEAD - len(start)]
        if len(start) >= heading.HEAD:
            break
    return bytes(start)
