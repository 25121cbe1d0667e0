"""Is a compressed frame as large as its image says? What cannot be read is not decoded either."""

from dataclasses import dataclass
from typing import Final

from proxy.codestreams import jpeg, jpeg2000, rle
from proxy.codestreams.errors import Unsound

MOST_SAMPLES: Final = 4  # of a pixel: decoders keep something for each, in every tile
RLE: Final = "1.2.840.10008.1.2.5"


@dataclass(frozen=True, slots=True)
class Said:
    """What the image says of each of its frames; `allocated` in bits."""

    rows: int
    columns: int
    samples: int
    allocated: int


def mind(syntax: str, frame: bytes, said: Said) -> None:
    """Raises Unsound. Which codec it is, is seen in the frame: decoders look there, too, and not at the syntax."""
    if said.samples > MOST_SAMPLES:
        raise Unsound("An image has more colours than there are.")
    if syntax == RLE:
        rle.mind(frame, said.samples * (said.allocated // 8), said.rows * said.columns)
        return
    found = jpeg2000.read(frame) if jpeg2000.is_one(frame) else jpeg.read(frame)
    if (found.rows, found.columns, found.samples) != (said.rows, said.columns, said.samples):
        raise Unsound("A compressed frame is of another size than its image says.")


__all__ = ["Said", "Unsound", "mind"]
