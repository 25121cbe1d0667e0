"""An image opened to be looked into: a data set in little endian, from its file, or restored in memory.

A file is mapped, so that a header costs the pages that it fills, and one frame of thousands its own.
"""

import mmap
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from proxy.deid import bigendian
from proxy.dicomweb.giving.encoded import Broken, Element, walk
from proxy.dicomweb.giving.forms import EXPLICIT
from proxy.dicomweb.giving.memory import Lease, room
from proxy.network.giving import Offer, Withheld
from proxy.network.part10 import NotPart10, data_set_offset

LARGEST: Final = 1 << 29
"""Bytes that one image may take when all of it has to be in memory: deflated, turned around, or restored."""
DEFLATED: Final = 1_032
"""Bytes that one of a deflated data set can become, at most."""
TROUBLES: Final = (Broken, NotPart10, OSError, Withheld)


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """`syntax` is how its pixels are encoded; explicit little endian for what was turned around. `lease`: of the
    memory that it takes, if it is no file."""

    sop_instance: str
    syntax: str
    data: memoryview
    at: int
    explicit: bool
    elements: list[Element] = field(default_factory=list)
    lease: Lease | None = None

    def find(self, tag: int) -> Element | None:
        return next((one for one in self.elements if one.tag == tag), None)


def opened(offer: Offer) -> Image:
    """Raises one of TROUBLES, TooLarge. Of a restored image the marks have been left by then."""
    lease = room.lease(size) if (size := _in_memory(offer)) else None
    if offer.restore is None:
        data, at = _mapped(offer.path)
        return _image(offer.sop_instance, offer.transfer_syntax, data, at, lease)
    restored = offer.restore()
    whole = bytearray()
    for piece in restored.pieces:
        whole += piece
        if len(whole) > LARGEST:
            raise Broken("the image is too large to be restored in memory")
    return _image(restored.sop_instance, restored.transfer_syntax, memoryview(whole), 0, lease)


def _in_memory(offer: Offer) -> int:
    """Bytes that it takes there, at most; 0 where the file can be mapped."""
    stored, size = offer.transfer_syntax, offer.path.stat().st_size
    whole = 2 * size if offer.restore is not None else 0
    if stored == DeflatedExplicitVRLittleEndian:
        whole += min(size * DEFLATED, LARGEST)
    return whole + (3 * size if stored == ExplicitVRBigEndian else 0)


def _mapped(path: Path) -> tuple[memoryview, int]:
    with path.open("rb") as file:
        at = data_set_offset(file)
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), at


def _image(uid: str, syntax: str, data: memoryview, at: int, lease: Lease | None) -> Image:
    if syntax == DeflatedExplicitVRLittleEndian:
        data, at, syntax = memoryview(inflated(data[at:])), 0, EXPLICIT
    elif syntax == ExplicitVRBigEndian:
        data, at, syntax = memoryview(little(bytes(data[at:]))), 0, EXPLICIT
    explicit = syntax != ImplicitVRLittleEndian
    return Image(uid, syntax, data, at, explicit, walked(data, at, explicit), lease)


def walked(data: memoryview, at: int, explicit: bool) -> list[Element]:
    """Raises Broken, whatever the bytes are."""
    try:
        return walk(data, at, explicit=explicit)
    except (ValueError, IndexError, ArithmeticError) as trouble:
        raise Broken("the data set cannot be read") from trouble
    except Exception as trouble:
        if type(trouble).__module__ == "struct":
            raise Broken("the data set ends early") from trouble
        raise


def inflated(data: bytes | memoryview) -> bytes:
    """A deflated data set. Raises Broken."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = inflate.decompress(data, LARGEST)
    except zlib.error:
        raise Broken("the deflated data set cannot be inflated") from None
    if not inflate.eof:
        raise Broken("the deflated data set ends early, or is too large")
    return found


def little(data: bytes) -> bytes:
    """An explicit big endian data set, turned around with its pixels. Raises Broken."""
    if len(data) > LARGEST:
        raise Broken("the image is too large to be turned around")
    try:
        head, at = bigendian.turn(data, True)
        if at == len(data):
            return head
        begin = bigendian.turn_head(data[at : at + 12], True)
        end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        width = 2 if data[at + 4 : at + 6] == b"OW" else 1
        return (
            head + begin + bigendian.swapped(data[at + 12 : end], width) + bigendian.turn(data[end:], True)[0]
        )
    except Exception as trouble:
        raise Broken("the big endian data set cannot be turned around") from trouble
