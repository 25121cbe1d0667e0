"""The way back (promise 6): the exact original data set from the clean one and its seal."""

import zlib

from proxy.deid import bigendian, seal
from proxy.deid.engine import BIG_ENDIAN, DEFLATED
from proxy.deid.errors import Unreadable


def original_syntax(sealed: bytes, transfer_syntax: str) -> str:
    """The transfer syntax of the original; `transfer_syntax` is the clean object's, which masks may have changed."""
    return seal.original_syntax(sealed, transfer_syntax)


def restore(clean: bytes, transfer_syntax: str, sealed: bytes) -> bytes:
    """Byte for byte; of a deflated data set the inflated original, deflated anew."""
    if transfer_syntax == DEFLATED:
        return _deflated(_apply(_inflated(clean), sealed))
    if transfer_syntax == BIG_ENDIAN:
        return _big_endian(clean, sealed)
    return _apply(clean, sealed)


def _apply(clean: bytes, sealed: bytes) -> bytes:
    return b"".join(_pieces(clean, sealed, len(clean)))


def _pieces(clean: bytes, sealed: bytes, middle: int) -> tuple[bytes, bytes]:
    """The restored bytes that stand for clean[:middle] and for the rest."""
    pieces = seal.read(sealed, clean)
    view = memoryview(clean)
    parts: tuple[list[bytes | memoryview], list[bytes | memoryview]] = ([], [])
    pos = 0
    for piece in pieces:
        if pos <= middle < piece.at:
            parts[0].append(view[pos:middle])
            pos = middle
        out = parts[piece.at > middle]
        out.append(view[pos : piece.at])
        out.append(piece.original)
        pos = piece.at + piece.size
    if pos <= middle:
        parts[0].append(view[pos:middle])
        pos = middle
    parts[1].append(view[pos:])
    return b"".join(parts[0]), b"".join(parts[1])


def _big_endian(clean: bytes, sealed: bytes) -> bytes:
    head, middle, tail = _split_big(clean)
    first, rest = _pieces(head + middle + tail, sealed, len(head))
    tail = rest[len(middle) :]
    return bigendian.turn(first, False)[0] + middle + bigendian.turn(tail, False)[0]


def _split_big(clean: bytes) -> tuple[bytes, bytes, bytes]:
    """(header turned, pixel data as they are, trailer turned)."""
    head, at = bigendian.turn(clean, True)
    if at == len(clean):
        return head, b"", b""
    end = at + 12 + int.from_bytes(clean[at + 8 : at + 12], "big")
    return head, clean[at:end], bigendian.turn(clean[end:], True)[0]


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(data)
    except zlib.error:
        raise Unreadable("the deflated data set cannot be inflated") from None


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
