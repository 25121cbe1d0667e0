"""Frames of an image: cut out as they are stored, or decoded (PS3.5 8.2, A.4; PS3.18 8.7.3.3).

What an image says of its pixels may be wrong, and decoders are other people's: whatever goes wrong is `Undecodable`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian

from proxy import codestreams
from proxy.dicomweb import model
from proxy.dicomweb.giving import metadata
from proxy.dicomweb.giving.encoded import Element, fragments
from proxy.dicomweb.giving.forms import PLAIN
from proxy.dicomweb.giving.sources import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
PIXELS: Final = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
MOST_SAMPLES: Final = 1 << 28  # of one frame
OF_A_SAMPLE: Final = 8
"""Bytes of a decoder, at most (measured: JPEG 2000 takes five)."""


class Undecodable(Exception):
    """The image's fault, or a decoder's: the frames cannot be found, or not be decoded here."""


class NoFrame(Exception):
    """The asker's fault: there is no such frame, or no pixels at all."""


@dataclass(frozen=True)
class Pictures:
    """The frames of an image; numbers begin with 0."""

    image: Image

    @cached_property
    def said(self) -> model.Dataset:
        """What the image says of itself, without its bulk."""
        return metadata.dataset(self.image.data, self.image.elements, lambda path: "")

    @cached_property
    def element(self) -> Element:
        found = next((one for one in self.image.elements if one.tag in PIXELS and one.end > one.at), None)
        if found is None:
            raise NoFrame("The instance has no pixels.")
        return found

    @property
    def has_pixels(self) -> bool:
        return any(one.tag in PIXELS and one.end > one.at for one in self.image.elements)

    @property
    def is_compressed(self) -> bool:
        return self.image.syntax not in PLAIN

    @cached_property
    def count(self) -> int:
        """As it says; raises NoFrame where there are no pixels."""
        return max(self.number("00280008", 1), 1) if self.element else 0

    def number(self, tag: str, default: int = 0) -> int:
        found = self.value(tag)
        return found if isinstance(found, int) else default

    def value(self, tag: str) -> Any:
        """The first one, or None."""
        return next(iter(self.said.get(tag, {}).get("Value", ())), None)

    # --- as they are stored -----------------------------------------------------------------------

    def stored(self, frame: int) -> bytes:
        """A compressed frame as it lies there, or the samples of one that is not. Raises NoFrame, Undecodable."""
        if not 0 <= frame < self.count:
            raise NoFrame("The instance has no such frame.")
        return _guarded(lambda: self._compressed(frame) if self.is_compressed else self._plain(frame))

    def _plain(self, frame: int) -> bytes:
        bits = self._bits_of_a_frame()
        if bits % 8:
            return self._packed(frame, bits)
        at = self.element.at + frame * bits // 8
        return self._exact(at, bits // 8)

    def _bits_of_a_frame(self) -> int:
        if not 0 < self.samples <= MOST_SAMPLES:
            raise Undecodable("Its size makes no sense.")
        whole = self.samples * self.number("00280100")
        return whole * 2 // 3 if self.value("00280004") == "YBR_FULL_422" else whole

    def _packed(self, frame: int, bits: int) -> bytes:
        """Frames of single bits follow each other without a gap (PS3.5 8.1.1)."""
        first = frame * bits
        raw = self._exact(self.element.at + first // 8, (first % 8 + bits + 7) // 8)
        every = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        return np.packbits(every[first % 8 : first % 8 + bits], bitorder="little").tobytes()

    def _exact(self, at: int, size: int) -> bytes:
        if not size or at + size > self.element.end:
            raise Undecodable("Its pixels are fewer than it says.")
        return bytes(self.image.data[at : at + size])

    def _compressed(self, frame: int) -> bytes:
        return b"".join(self._parts(frame))

    def _parts(self, frame: int) -> list[memoryview]:
        if not self.element.is_open:
            raise Undecodable("Its pixels are not in fragments.")
        table, *parts = fragments(self.image.data, self.element)
        if len(parts) == self.count:
            return [parts[frame]]
        if self.count == 1:
            return parts
        return [parts[one] for one in _of_frame(np.frombuffer(table, "<u4").tolist(), parts, frame)]

    def stored_size(self, frame: int) -> int:
        """Bytes of it. Raises NoFrame, Undecodable."""
        if not 0 <= frame < self.count:
            raise NoFrame("The instance has no such frame.")
        if self.is_compressed:
            return _guarded(lambda: sum(map(len, self._parts(frame))))
        return -(-self._bits_of_a_frame() // 8)

    # --- decoded ----------------------------------------------------------------------------------

    def decoded(self, frame: int, *, raw: bool) -> "NDArray[Any]":
        """Rows x columns (x samples); colours are RGB unless `raw`. Raises NoFrame, Undecodable."""
        data = self.stored(frame)
        return _guarded(lambda: self._decode(data, raw=raw))

    def decoding(self) -> int:
        """Bytes that it takes to decode one of the frames, at most, and to copy it. Raises Undecodable."""
        return 2 * self.decoded_size() + (OF_A_SAMPLE * self.samples if self.is_compressed else 0)

    def decoded_size(self) -> int:
        """Bytes of one frame. Raises Undecodable."""
        return -(-self._bits_of_a_frame() // 8)

    @property
    def samples(self) -> int:
        """Of one frame, as it says."""
        return max(self.number("00280002", 1), 1) * self.number("00280010") * self.number("00280011")

    def _decode(self, data: bytes, *, raw: bool) -> "NDArray[Any]":
        self._bits_of_a_frame()
        if self.is_compressed:
            codestreams.mind(self.image.syntax, data, self._said_of_frames())
        source = encapsulate([data], has_bot=False) if self.is_compressed else data
        syntax = UID(self.image.syntax) if self.is_compressed else ExplicitVRLittleEndian
        array, _ = get_decoder(syntax).as_array(source, raw=raw, index=0, **self._options())
        made: NDArray[Any] = array
        return made

    def _said_of_frames(self) -> codestreams.Said:
        samples = max(self.number("00280002", 1), 1)
        return codestreams.Said(
            self.number("00280010"), self.number("00280011"), samples, self.number("00280100")
        )

    def _options(self) -> dict[str, Any]:
        allocated = self.number("00280100")
        return {
            "rows": self.number("00280010"),
            "columns": self.number("00280011"),
            "samples_per_pixel": max(self.number("00280002", 1), 1),
            "bits_allocated": allocated,
            "bits_stored": self.number("00280101", allocated),
            "pixel_representation": self.number("00280103"),
            "photometric_interpretation": self.value("00280004") or "MONOCHROME2",
            "planar_configuration": self.number("00280006"),
            "number_of_frames": 1,
            "pixel_keyword": PIXELS[self.element.tag],
            "pixel_vr": self.element.vr,
        }


def _guarded(work: Callable[[], T]) -> T:
    try:
        return work()
    except (NoFrame, Undecodable):
        raise
    except Exception as trouble:  # a decoder may raise anything on a stranger's pixels
        raise Undecodable(f"Its pixels cannot be decoded ({type(trouble).__name__}).") from None


def _of_frame(offsets: Sequence[int], parts: Sequence[memoryview], frame: int) -> list[int]:
    """Which fragments a frame has, by the offset table, which counts from the first fragment's item."""
    begins, at = [], 0
    for part in parts:
        begins.append(at)
        at += 8 + len(part)
    if frame >= len(offsets):
        raise Undecodable("Nothing says which fragments a frame has.")
    last = offsets[frame + 1] if frame + 1 < len(offsets) else at
    found = [place for place, begin in enumerate(begins) if offsets[frame] <= begin < last]
    if not found or begins[found[0]] != offsets[frame]:
        raise Undecodable("Its offset table does not fit its fragments.")
    return found
