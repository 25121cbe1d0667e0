"""An original made of its clean file and its seal while it goes out: nothing of it is ever written (promise 6)."""

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from proxy.deid import DeidError
from proxy.deid.restore import original, original_syntax, restored_pieces
from proxy.network.giving import Restored, Withheld
from proxy.network.part10 import NotPart10, data_set_offset
from proxy.network.reading import Windowed
from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing
from proxy.vault.reidentify import Unknown
from proxy.vault.seals import Forgotten, NoSeal

AT_ONCE = 4 << 20
"""So much is made before the first byte goes: of most images it is then known that they are whole."""
SOP_INSTANCE = 0x00080018
HEAD = 1 << 14  # what stands before SOP Instance UID is short


def restored(path: Path, syntax: str, seal: Callable[[], bytes], window: memoryview) -> Restored:
    """Raises Withheld, as do its pieces. `window` is what a file is read into."""
    try:
        sealed = seal()
    except (NoSeal, Forgotten, Unknown, SealBroken, KeysMissing) as trouble:
        raise Withheld(type(trouble).__name__) from None
    was, pieces = _original(path, syntax, sealed, window)
    first = _taken(pieces)
    try:
        sop_class, sop_instance = _names(_start(first), was)
    except Exception as trouble:  # whatever pydicom stumbles over in an original that never was right
        raise Withheld(type(trouble).__name__) from None
    return Restored(sop_class, sop_instance, was, chain(first, pieces))


def _taken(pieces: Iterator[bytes]) -> list[bytes]:
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size >= AT_ONCE:
            break
    return found


def _original(path: Path, syntax: str, sealed: bytes, window: memoryview) -> tuple[str, Iterator[bytes]]:
    """A file that is not long is read past the cache of the system, which costs less; another one while it goes."""
    try:
        if path.stat().st_size <= len(window):
            was, pieces = original(cast(BinaryIO, Windowed(path, window)), syntax, sealed)
            return was, _withheld(pieces)
        return original_syntax(sealed, syntax), _withheld(_read_while_it_goes(path, syntax, sealed))
    except (DeidError, NotPart10, OSError) as trouble:
        raise Withheld(type(trouble).__name__) from None


def _read_while_it_goes(path: Path, syntax: str, sealed: bytes) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(data_set_offset(file))
        yield from restored_pieces(file, syntax, sealed)


def _withheld(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except (DeidError, NotPart10, OSError) as trouble:
        raise Withheld(type(trouble).__name__) from None


def _start(pieces: list[bytes]) -> bytes:
    """So much of it as `_names` looks at."""
    start = bytearray()
    for piece in pieces:
        start += piece[: HEAD - len(start)]
        if len(start) >= HEAD:
            break
    return bytes(start)


def _names(start: bytes, syntax: str) -> tuple[str, str]:
    """SOP Class and Instance UID, which stand at the beginning of every data set."""
    known = UID(syntax)
    if syntax == DeflatedExplicitVRLittleEndian:
        start = zlib.decompressobj(-15).decompress(start, HEAD)
    head = read_dataset(
        BytesIO(start[:HEAD]),
        known.is_implicit_VR,
        known.is_little_endian,
        stop_when=lambda tag, vr, length: tag > SOP_INSTANCE,
    )
    return str(head.SOPClassUID), str(head.SOPInstanceUID)
