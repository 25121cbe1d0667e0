"""Values that stand apart from their metadata (PS3.18 10.4.1.1.5): where each is, and what comes from there.

An address ends in the way to its element: a tag, or tag, number of the item from 0, tag.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.dicomweb import model
from proxy.dicomweb.giving import memory
from proxy.dicomweb.giving.encoded import DEEPEST, at_path
from proxy.dicomweb.giving.forms import EXPLICIT
from proxy.dicomweb.giving.metadata import Where
from proxy.dicomweb.giving.multipart import Multipart
from proxy.dicomweb.giving.pixels import PIXELS, Pictures
from proxy.dicomweb.giving.sources import Image

OCTETS: Final = "application/octet-stream"
STEP: Final = 1 << 20
_STUDY, _SERIES = 0x0020000D, 0x0020000E


@dataclass(frozen=True, slots=True, repr=False)
class Value:
    """`data` as it lies there; None: compressed pixels, which are decoded frame by frame."""

    image: Image
    data: memoryview | None


def addresses(image: Image, base: str) -> Where:
    """Below this instance, as its own UIDs name it."""
    study, series = _uid(image, _STUDY), _uid(image, _SERIES)
    instance = f"{base}/studies/{study}/series/{series}/instances/{image.sop_instance}/bulkdata"
    return lambda path: f"{instance}/{_said(path)}"


def _uid(image: Image, tag: int) -> str:
    found = image.find(tag)
    return bytes(image.data[found.at : found.end]).decode("latin-1").strip(" \0") if found else ""


def _said(path: Sequence[int]) -> str:
    return "/".join(str(one) if place % 2 else model.key(one) for place, one in enumerate(path))


def found(image: Image, text: str) -> Value | None:
    path = _read(text.strip("/").split("/"))
    element = at_path(image.elements, path) if path else None
    if element is None or element.items is not None:
        return None
    if element.is_open:
        return Value(image, None) if element.tag in PIXELS and len(path) == 1 else None
    return Value(image, image.data[element.at : element.end])


def _read(parts: Sequence[str]) -> tuple[int, ...]:
    """Nothing, where it is no way."""
    if len(parts) % 2 == 0 or len(parts) > 2 * DEEPEST:
        return ()
    try:
        return tuple(int(one, 10 if place % 2 else 16) for place, one in enumerate(parts))
    except ValueError:
        return ()


def pieces(value: Value) -> Generator[bytes, None, None]:
    """Raises NoFrame, Undecodable."""
    if value.data is not None:
        for at in range(0, len(value.data), STEP):
            yield bytes(value.data[at : at + STEP])
        return
    pictures = Pictures(value.image)
    for frame in range(pictures.count):
        with memory.room.taking(pictures.decoding()):
            yield pictures.decoded(frame, raw=True).tobytes()


def related(value: Value, multipart: Multipart) -> Generator[bytes, None, None]:
    yield multipart.head(f"{OCTETS}; transfer-syntax={EXPLICIT}", first=True)
    yield from pieces(value)
    yield multipart.end
