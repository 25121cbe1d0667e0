"""An image as a picture for a browser (PS3.18 8.3.5, 10.4.1.1.3): JPEG or PNG, windowed, cut out and scaled.

A frame's own window is taken, or what the address asks for; colours leave as RGB. What is drawn over the image
(overlays, presentation states) is left out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image as Pillow

from proxy.dicomweb import model
from proxy.dicomweb.giving import windows
from proxy.dicomweb.giving.encoded import at_path
from proxy.dicomweb.giving.pixels import Pictures, Undecodable
from proxy.dicomweb.giving.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG, PNG = "image/jpeg", "image/png"
MOST_PIXELS: Final = 1 << 25  # of an image that is drawn, and of a picture that is scaled up
THUMBNAIL: Final = 128
OF_A_GREY, OF_A_COLOUR, OF_A_PIXEL = 40, 10, 8  # bytes that drawing takes, of the image and of the viewport
_NUMBER: Final = re.compile(r"[+-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})([eE][+-]?\d{1,2})?")
_FUNCTIONS: Final = {"linear": windows.LINEAR, "linear-exact": windows.EXACT, "sigmoid": windows.SIGMOID}


class Senseless(Exception):
    """The asker's fault: a parameter has a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """`width` and `height` of the picture; `part` of the image, None for all of it: left, top, width, height."""

    width: int
    height: int
    part: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is wanted."""

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90


def read(parameters: Mapping[str, Sequence[str]]) -> Look:
    """PS3.18 8.3.5.1. Raises Senseless."""
    said = {
        name: some
        for name, some in parameters.items()
        if name in ("window", "viewport", "quality", "annotation")
    }
    if any(len(some) > 1 for some in said.values()):
        raise Senseless("A parameter of the picture may be said once.")
    first = {name: some[0] for name, some in said.items()}
    if first.get("annotation"):
        raise Senseless("Nothing is written into pictures here: leave annotation away.")
    return Look(
        _window(first.get("window")), _viewport(first.get("viewport")), _quality(first.get("quality"))
    )


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or parts[2].lower() not in _FUNCTIONS:
        raise Senseless("window is center,width,function, and the function linear, linear-exact or sigmoid.")
    center, width = _number(parts[0]), _number(parts[1])
    function = _FUNCTIONS[parts[2].lower()]
    if width <= 0 or (function == windows.LINEAR and width < 1):
        raise Senseless("The width of a window is above 0, and of a linear one not below 1.")
    return Window(center, width, function)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise Senseless("A parameter of the picture is no number.")
    return float(text)


def _viewport(text: str | None) -> Viewport | None:
    if text is None:
        return None
    parts = [one.strip() for one in text.split(",")]
    if len(parts) not in (2, 6):
        raise Senseless("viewport is width,height, or width,height,left,top,width,height.")
    width, height = _number(parts[0]), _number(parts[1])
    if not (1 <= width <= MOST_PIXELS and 1 <= height <= MOST_PIXELS and width * height <= MOST_PIXELS):
        raise Senseless("A viewport that small or that large is not drawn.")
    return Viewport(int(width), int(height), _part(parts[2:]) if parts[2:] else None)


def _part(parts: Sequence[str]) -> tuple[float, float, float, float]:
    left, top = (_number(one) if one else 0.0 for one in parts[:2])
    width, height = (_number(one) if one else 0.0 for one in parts[2:])
    if left < 0 or top < 0:
        raise Senseless("A viewport begins within the image.")
    return left, top, width, height


def _quality(text: str | None) -> int:
    if text is None:
        return Look().quality
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100):
        raise Senseless("quality is a whole number from 1 to 100.")
    return int(text)


def thumbnail(look: Look) -> Look:
    return look if look.viewport else replace(look, viewport=Viewport(THUMBNAIL, THUMBNAIL))


# --- drawing --------------------------------------------------------------------------------------


def cost(pictures: Pictures, look: Look) -> int:
    """Bytes of memory that a picture takes: first the decoder, then what is drawn. Windows are laid over doubles, of
    which some are there at once. Raises NoFrame, Undecodable."""
    there = look.viewport.width * look.viewport.height if look.viewport else 0
    drawing = pictures.samples * (OF_A_GREY if pictures.number("00280002", 1) < 3 else OF_A_COLOUR)
    return max(pictures.decoding(), pictures.decoded_size() + drawing) + there * OF_A_PIXEL


def drawn(pictures: Pictures, frame: int, look: Look, form: str) -> bytes:
    """Raises NoFrame, Undecodable."""
    if pictures.number("00280010") * pictures.number("00280011") > MOST_PIXELS:
        raise Undecodable("It is too large to be drawn.")
    values = pictures.decoded(frame, raw=False)
    photometric = str(pictures.value("00280004") or "")
    if photometric == "PALETTE COLOR":
        pixels = _coloured(pictures, values)
    elif values.ndim == 3 and values.shape[2] >= 3:
        pixels = _eight_bits(pictures, values[:, :, :3])
    else:
        pixels = _grey(
            pictures, frame, values.reshape(values.shape[:2]), look, inverted=photometric == "MONOCHROME1"
        )
    return _written(_framed(Pillow.fromarray(pixels), look.viewport), look, form)


def _eight_bits(pictures: Pictures, values: "NDArray[Any]") -> "NDArray[np.uint8]":
    more = max(pictures.number("00280101", 8) - 8, 0)
    return np.ascontiguousarray(values >> more if more else values).astype(np.uint8)


def _grey(
    pictures: Pictures, frame: int, stored: "NDArray[Any]", look: Look, *, inverted: bool
) -> "NDArray[np.uint8]":
    values = _modality(pictures, frame, stored)
    if look.window is not None:
        return windows.shown(values, look.window, inverted=inverted)
    if table := _table(pictures, "00283010"):
        looked = windows.looked_up(values, *table)
        return windows.shown(looked, None, inverted=inverted)
    return windows.shown(values, _own_window(pictures, frame), inverted=inverted)


def _modality(pictures: Pictures, frame: int, stored: "NDArray[Any]") -> "NDArray[Any]":
    if table := _table(pictures, "00283000"):
        return windows.looked_up(stored, *table)
    said = _group(pictures, frame, "00289145") or pictures.said
    slope, intercept = _first(said, "00281053"), _first(said, "00281052")
    if slope is None and intercept is None:
        return stored
    made: NDArray[Any] = stored * (1.0 if slope is None else slope) + (intercept or 0.0)
    return made


def _own_window(pictures: Pictures, frame: int) -> Window | None:
    said = _group(pictures, frame, "00289132") or pictures.said
    center, width = _first(said, "00281050"), _first(said, "00281051")
    function = next(iter(said.get("00281056", {}).get("Value", ())), windows.LINEAR)
    if center is None or width is None or width <= 0:
        return None
    return Window(center, width, function if function in windows.FUNCTIONS else windows.LINEAR)


def _first(said: model.Dataset, tag: str) -> float | None:
    found = next(iter(said.get(tag, {}).get("Value", ())), None)
    return float(found) if isinstance(found, int | float) else None


def _group(pictures: Pictures, frame: int, tag: str) -> model.Dataset | None:
    """A functional group of this frame, or one that all share (PS3.3 C.7.6.16)."""
    own = _items(pictures.said, "52009230")[frame : frame + 1]
    for item in (*own, *_items(pictures.said, "52009229")):
        for found in _items(item, tag):
            return found
    return None


def _items(said: model.Dataset, tag: str) -> Sequence[model.Dataset]:
    return said.get(tag, {}).get("Value", ()) if said.get(tag, {}).get("vr") == "SQ" else ()


def _table(pictures: Pictures, sequence: str) -> tuple[list[int], int] | None:
    """The entries of the first item, and the value that the first of them is for."""
    items = _items(pictures.said, sequence)
    if not items:
        return None
    descriptor = items[0].get("00283002", {}).get("Value", ())
    data = _words(pictures, (int(sequence, 16), 0, 0x00283006))
    if len(descriptor) != 3 or not data:
        return None
    first = int(descriptor[1])
    return data, first - 65536 if first > 32767 and pictures.number("00280103") else first


def _words(pictures: Pictures, path: tuple[int, ...]) -> list[int]:
    element = at_path(pictures.image.elements, path)
    if element is None or (element.end - element.at) % 2:
        return []
    found: list[int] = np.frombuffer(pictures.image.data[element.at : element.end], "<u2").tolist()
    return found


def _coloured(pictures: Pictures, values: "NDArray[Any]") -> "NDArray[np.uint8]":
    """PS3.3 C.7.9.2. Segmented palettes are not drawn."""
    planes = []
    for descriptor_tag, data_tag in (
        ("00281101", 0x00281201),
        ("00281102", 0x00281202),
        ("00281103", 0x00281203),
    ):
        descriptor = pictures.said.get(descriptor_tag, {}).get("Value", ())
        if len(descriptor) != 3:
            raise Undecodable("Its palette is not all there.")
        table = _palette(pictures, data_tag, int(descriptor[2]), int(descriptor[0]) % 65536 or 65536)
        planes.append(windows.looked_up(values.reshape(values.shape[:2]), table, int(descriptor[1])))
    return np.stack(planes, axis=2).astype(np.uint8)


def _palette(pictures: Pictures, tag: int, bits: int, entries: int) -> list[int]:
    words = _words(pictures, (tag,))
    if bits == 8 and len(words) * 2 in (entries, entries + 1):
        return [byte for word in words for byte in (word & 0xFF, word >> 8)][:entries]
    if len(words) < entries:
        raise Undecodable("Its palette is not all there.")
    return [word >> 8 if bits > 8 else word for word in words[:entries]]


def _framed(picture: Any, viewport: Viewport | None) -> Any:
    """Cut out and scaled into the viewport; its proportions stay (PS3.18 8.3.5.1.3)."""
    if viewport is None:
        return picture
    if viewport.part is not None:
        picture = _cut_out(picture, viewport.part)
    scale = min(viewport.width / picture.width, viewport.height / picture.height)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    return picture.resize(size, Pillow.Resampling.BILINEAR)


def _cut_out(picture: Any, part: tuple[float, float, float, float]) -> Any:
    left, top, width, height = part
    turned = picture.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT) if width < 0 else picture
    turned = turned.transpose(Pillow.Transpose.FLIP_TOP_BOTTOM) if height < 0 else turned
    right = min(left + (abs(width) or picture.width), picture.width)
    bottom = min(top + (abs(height) or picture.height), picture.height)
    if right - left < 1 or bottom - top < 1:
        raise Senseless("A viewport begins within the image.")
    return turned.crop((int(left), int(top), int(right), int(bottom)))


def _written(picture: Any, look: Look, form: str) -> bytes:
    out = BytesIO()
    if form == PNG:
        picture.save(out, "PNG")
    else:
        picture.save(out, "JPEG", quality=look.quality)
    return out.getvalue()
