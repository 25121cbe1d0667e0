"""RLE (PS3.5 Annex G): no size is said anywhere, so the runs are added up."""

from itertools import pairwise
from typing import Final

from proxy.codestreams.errors import Unsound

HEADER: Final = 64  # bytes
_SEGMENTS: Final = 15
_SMALL: Final = 1 << 20  # bytes: what cannot become more than this is not counted
_LARGEST: Final = 64
"""Decoded bytes of an encoded one, at most: two say a run of 128."""


def mind(frame: bytes, segments: int, size: int) -> None:
    """So many segments, none of which becomes more than twice `size` bytes, the padding of odd encoders included.
    Raises Unsound."""
    starts = [int.from_bytes(frame[at : at + 4], "little") for at in range(4, 4 * (segments + 1), 4)]
    if (
        len(frame) < HEADER
        or int.from_bytes(frame[:4], "little") != segments
        or not 0 < segments <= _SEGMENTS
    ):
        raise Unsound("A frame has other segments than its image says.")
    if starts != sorted(starts) or starts[0] < HEADER or starts[-1] > len(frame):
        raise Unsound("The segments of a frame are not where it says.")
    for start, end in pairwise((*starts, len(frame))):
        most = max(2 * size, _SMALL)
        if (end - start) * _LARGEST > most and _decoded(frame, start, end, most) > most:
            raise Unsound("A segment of a frame becomes more than its image says.")


def _decoded(frame: bytes, at: int, end: int, most: int) -> int:
    """How many bytes it becomes; counted no further than `most`."""
    size = 0
    while at < end and size <= most:
        count = frame[at]
        if count < 128:
            size, at = size + count + 1, at + count + 2
        elif count > 128:
            size, at = size + 257 - count, at + 2
        else:
            at += 1
    return size
