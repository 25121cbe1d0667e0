"""Are the pixels of two encodings of one image the same? Decides off the wire, frame by frame, losslessly."""

from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import iter_pixels

Encoded = tuple[bytes, str]  # data set and its transfer syntax


def same(one: Encoded, other: Encoded) -> bool | None:
    """None: one of them cannot be decoded here, so nobody can say."""
    try:
        pairs = zip_longest(_frames(one), _frames(other))
        return all(a is not None and b is not None and np.array_equal(a, b) for a, b in pairs)
    except Exception:  # a decoder may raise anything on a stranger's pixels
        return None


def _frames(encoded: Encoded) -> "Iterator[NDArray[Any]]":
    data, syntax = encoded
    yield from iter_pixels(BytesIO(_file(data, syntax)), raw=True)


def _file(data: bytes, syntax: str) -> bytes:
    """The least that makes a Part 10 file of a data set (PS3.10 7.1)."""
    uid = syntax.encode("ascii")
    uid += b"\0" * (len(uid) % 2)
    element = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little")
    return b"\0" * 128 + b"DICM" + length + element + data
