"""A result in three parts: header and trailer, in which UIDs stand, and between them pixel data, which nobody reads."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final

from proxy.deid import bigendian
from proxy.deid.deflated import Deflated
from proxy.deid.engine import Engine
from proxy.deid.errors import Unreadable
from proxy.deid.part10 import split
from proxy.deid.parts import Limits, fail_closed
from proxy.deid.recipe import KEEP_ALL
from proxy.deid.syntaxes import BIG_ENDIAN, DEFLATED, IMPLICIT

_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_FIRST: Final = 1 << 16


@dataclass(frozen=True, slots=True, repr=False)
class Parts:
    """Header and trailer in little endian; `syntax` is the one it came in."""

    header: bytes
    bulk: memoryview
    trailer: bytes
    syntax: str
    explicit: bool

    def written(self, header: bytes, trailer: bytes) -> bytes:
        """As it came, with another header and trailer."""
        if self.syntax == BIG_ENDIAN:
            header, trailer = (bigendian.turn(one, False)[0] for one in (header, trailer))
        data = b"".join((header, self.bulk, trailer))
        if self.syntax != DEFLATED:
            return data
        pack = Deflated(len(data))
        return b"".join((*pack.packed([data]), pack.rest()))


def parts_of(data: bytes, syntax: str, limits: Limits) -> Parts:
    """Raises Unreadable; TooLarge beyond the limits of header, depth and inflated size."""
    if syntax == DEFLATED:
        data = _inflated(data, limits.inflated)
    plain = _EXPLICIT if syntax == DEFLATED else syntax
    work = _engine(limits).begin(plain, copies=False)
    with fail_closed:
        work.feed(data)
        work.forget()
        work.end()
        header, trailer = work.originals
    bulk = memoryview(data)[len(header) : len(data) - len(trailer)]
    return Parts(header, bulk, trailer, syntax, work.explicit)


def header_of(file: BinaryIO, size: int) -> Parts:
    """So many bytes of the data set of a Part 10 file, in little endian. Raises Unreadable."""
    start = file.read(_FIRST)
    found = split(start)
    file.seek(len(start) - len(found.dataset))
    with fail_closed:
        header = _first(file, size, found.syntax)
    return Parts(header, memoryview(b""), b"", found.syntax, found.syntax != IMPLICIT)


def _first(file: BinaryIO, size: int, syntax: str) -> bytes:
    if syntax == DEFLATED:
        return zlib.decompressobj(-15).decompress(file.read(), size)
    header = file.read(size)
    return bigendian.turn(header, True)[0] if syntax == BIG_ENDIAN else header


def _inflated(data: bytes, limit: int) -> bytes:
    deflated = Deflated(limit)
    inflated = b"".join(deflated.inflated(data))
    if not deflated.is_whole:
        raise Unreadable("the deflated data set ends early")
    return inflated


@lru_cache(maxsize=4)
def _engine(limits: Limits) -> Engine:
    return Engine(KEEP_ALL, limits)
