"""In which form frames leave: decoded as octets, or compressed as they are stored (PS3.18 8.7.3.3, 10.4.1.1.6)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.dicomweb.giving import memory
from proxy.dicomweb.giving.forms import ANY, EXPLICIT
from proxy.dicomweb.giving.multipart import Multipart
from proxy.dicomweb.giving.pixels import Pictures
from proxy.dicomweb.negotiation import RELATED, Choice, Offer

MOST: Final = 1_000  # frames of one question
OCTETS: Final = "application/octet-stream"
MEDIA: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""PS3.18 Table 8.7.3-5."""
_FORMS: Final = (OCTETS, *dict.fromkeys(MEDIA.values()))
OFFERS: Final = (*(Offer(RELATED, one) for one in _FORMS), *(Offer(one) for one in _FORMS))


@dataclass(frozen=True, slots=True)
class Way:
    """`inner`: the media type of a frame; `syntax`: how it is encoded then."""

    inner: str
    syntax: str
    is_single: bool

    @property
    def media(self) -> str:
        return f"{self.inner}; transfer-syntax={self.syntax}"

    def frame(self, pictures: Pictures, number: int) -> bytes:
        """Raises NoFrame, Undecodable."""
        if self._decodes(pictures):
            return pictures.decoded(number, raw=True).tobytes()
        return pictures.stored(number)

    def cost(self, pictures: Pictures, number: int) -> int:
        """Bytes of memory that it takes. Raises NoFrame, Undecodable."""
        size = pictures.stored_size(number)
        return size + pictures.decoding() if self._decodes(pictures) else size

    def _decodes(self, pictures: Pictures) -> bool:
        return self.inner == OCTETS and pictures.is_compressed


def way_of(choices: Sequence[Choice], pictures: Pictures, count: int) -> Way | None:
    """The best that can be done; None: nothing that is taken."""
    ways = (_way(one, pictures, count) for one in choices)
    return next((one for one in ways if one is not None), None)


def _way(choice: Choice, pictures: Pictures, count: int) -> Way | None:
    is_single = choice.offer.name != RELATED
    inner = choice.offer.name if is_single else choice.offer.inner
    syntax = EXPLICIT if inner == OCTETS else pictures.image.syntax
    if is_single and count > 1:
        return None
    if inner != OCTETS and MEDIA.get(pictures.image.syntax) != inner:
        return None
    return Way(inner, syntax, is_single) if choice.syntax in ("", ANY, syntax) else None


def related(
    pictures: Pictures, numbers: Sequence[int], way: Way, multipart: Multipart
) -> Generator[bytes, None, None]:
    for place, number in enumerate(numbers):
        with memory.room.taking(way.cost(pictures, number)):
            yield multipart.head(way.media, first=not place) + way.frame(pictures, number)
    yield multipart.end


def single(pictures: Pictures, number: int, way: Way) -> Generator[bytes, None, None]:
    with memory.room.taking(way.cost(pictures, number)):
        yield way.frame(pictures, number)
