"""RLE segments (PS3.5 Annex G): bytes in, bytes out, never more than was asked for."""

import re
from itertools import pairwise
from typing import Final

_HEADER: Final = 64
_SEGMENTS: Final = 15
_RUN: Final = re.compile(rb"(.)\1{2,127}", re.DOTALL)


class BadRle(Exception):
    """The frame does not follow PS3.5 G, or does not hold what the header says."""


def unpack_frame(frame: bytes, segments: int, size: int) -> list[bytearray]:
    """Exactly so many segments of `size` decoded bytes each. Raises BadRle.

    A frame that is more than twice as long encoded as decoded is none that an encoder made, but work.
    """
    numbers = [int.from_bytes(frame[at : at + 4], "little") for at in range(0, _HEADER, 4)]
    starts = [*numbers[1 : segments + 1], len(frame)]
    is_possible = _HEADER <= len(frame) <= 2 * (_HEADER + segments * size)
    if not is_possible or numbers[0] != segments or starts[0] != _HEADER or starts != sorted(starts):
        raise BadRle
    return [_unpack(frame[start:end], size) for start, end in pairwise(starts)]


def _unpack(data: bytes, size: int) -> bytearray:
    out = bytearray()
    at, end = 0, len(data)
    while len(out) < size:
        if at >= end:
            raise BadRle
        count = data[at]
        if count < 128:
            out += data[at + 1 : at + 2 + count]
            at += 2 + count
        elif count > 128:
            out += data[at + 1 : at + 2] * (257 - count)
            at += 2
        else:
            at += 1
    if len(out) != size or at > end:
        raise BadRle
    return out


def pack_frame(planes: list[bytearray], row: int) -> bytes:
    """The segments of a frame; no run crosses the end of a row (G.3.1)."""
    packed = [
        _even(b"".join(_pack(plane[at : at + row]) for at in range(0, len(plane), row))) for plane in planes
    ]
    offsets, at = [len(packed)], _HEADER
    for segment in packed:
        offsets.append(at)
        at += len(segment)
    offsets += [0] * (_SEGMENTS + 1 - len(offsets))
    return b"".join(offset.to_bytes(4, "little") for offset in offsets) + b"".join(packed)


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def _pack(row: bytearray) -> bytes:
    out, at = bytearray(), 0
    for run in _RUN.finditer(row):
        _literal(out, row[at : run.start()])
        out += bytes((257 - len(run[0]), run[1][0]))
        at = run.end()
    _literal(out, row[at:])
    return bytes(out)


def _literal(out: bytearray, data: bytearray) -> None:
    for at in range(0, len(data), 128):
        part = data[at : at + 128]
        out.append(len(part) - 1)
        out += part
