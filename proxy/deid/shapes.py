"""Runs of neighbours that all go, remembered by their shape: images of one device have the same private blocks.

A shape is the heads (tag, VR, length) of a few neighbours. Where all heads of a known shape stand where its lengths
say, the run is that run, and one call of C has walked it: nothing is assumed that was not compared.
"""

from struct import Struct
from typing import Final

MOST: Final = 16  # elements in a shape: one with another length costs only its own
LEAST: Final = 4
MEMORY: Final = 4096  # shapes that are remembered; a hostile sender cannot make it more
PATIENCE: Final = 8  # misses after which a shape is forgotten, because its device changed its mind


class Shape:
    __slots__ = ("heads", "misses", "size", "tags", "unpack")

    def __init__(self, heads: tuple[bytes, ...], sizes: list[int], tags: list[int]) -> None:
        layout = Struct("<" + "".join(f"8s{size}x" for size in sizes))
        self.unpack = layout.unpack_from
        self.size = layout.size
        self.heads = heads
        self.tags = tags
        self.misses = 0


class Shapes:
    """Of one lookup and one way to write heads (with or without VRs)."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Shape] = {}

    def at(self, buf: bytes, pos: int, end: int) -> Shape | None:
        """The known shape that stands at pos, whole."""
        head = buf[pos : pos + 8]
        shape = self._known.get(head)
        if shape is None:
            return None
        if pos + shape.size <= end and shape.unpack(buf, pos) == shape.heads:
            return shape
        shape.misses += 1
        if shape.misses > PATIENCE:
            self._known.pop(head, None)
        return None

    def learn(self, buf: bytes, starts: list[int], end: int, tags: list[int]) -> None:
        """From a run of short elements that was walked one by one, from starts[0] to end."""
        if len(tags) < LEAST or buf[starts[0] : starts[0] + 8] in self._known:
            return
        if len(self._known) >= MEMORY:
            self._known.clear()
        heads = tuple([buf[start : start + 8] for start in starts])
        sizes = [after - start - 8 for start, after in zip(starts, [*starts[1:], end], strict=True)]
        self._known[heads[0]] = Shape(heads, sizes, tags)
