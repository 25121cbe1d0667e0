"""The pieces of a range, from a file or from memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.api.ranges import Range

STEP: Final = 1 << 20


def of_file(path: Path, part: Range) -> Iterator[bytes]:
    """Raises OSError, EOFError."""
    with path.open("rb") as file:
        file.seek(part.start)
        left = part.end - part.start
        while left:
            piece = file.read(min(STEP, left))
            if not piece:
                raise EOFError("The file lost its end while it was read.")
            left -= len(piece)
            yield piece


def of_memory(data: memoryview, part: Range) -> Iterator[bytes]:
    for at in range(part.start, part.end, STEP):
        yield bytes(data[at : min(at + STEP, part.end)])
