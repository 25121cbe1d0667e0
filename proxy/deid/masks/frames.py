"""Pixels made black. The whole value of (7FE0,0010) in, the value to be written out, or a Hold.

Native pixels and RLE are handled here, byte by byte and losslessly. JPEG baseline is decoded by pydicom and Pillow,
after its own header was compared with the image's, and written as native pixels. The header may lie: every count is
checked against the bytes, and whatever goes wrong means that nothing was masked.
"""

from collections.abc import Iterator
from typing import Any, Final

from proxy.codestreams import jpeg
from proxy.deid.context import Hold
from proxy.deid.masks import rle
from proxy.deid.masks.entries import Box
from proxy.deid.masks.plan import CODE, JPEG, RLE, MaskPlan, Shape

_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0"
_NO_CODE: Final = Hold(
    CODE, "It may show a name, and JPEG frames are masked only with numpy and Pillow installed."
)
_BROKEN: Final = Hold(
    CODE, "It may show a name, and its pixels are not what its header says or cannot be decoded."
)


class _Broken(Exception):
    """The bytes are not what the header says."""


def mask(plan: MaskPlan, value: bytes, encapsulated: bool) -> bytes | Hold:
    """value: all that follows the element's length, fragments with their delimiter. Never raises."""
    try:
        if encapsulated != (plan.original_syntax in (JPEG, RLE)):
            return _BROKEN
        if plan.original_syntax == RLE:
            return _rle(plan, value)
        return _jpeg(plan, value) if plan.original_syntax == JPEG else _native(plan, value)
    except ImportError:
        return _NO_CODE
    except Exception:  # a decoder may raise anything on a stranger's pixels
        return _BROKEN


def _native(plan: MaskPlan, value: bytes) -> bytes:
    size = plan.shape.frame_size * plan.shape.frames
    if len(value) != size + size % 2:
        raise _Broken
    pixels = bytearray(value)
    for frame in range(plan.shape.frames):
        _blacken(pixels, frame * plan.shape.frame_size, plan.shape, plan.boxes)
    return bytes(pixels)


def _blacken(pixels: bytearray, base: int, shape: Shape, boxes: tuple[Box, ...]) -> None:
    """One native frame that starts at `base`."""
    if shape.by_plane:
        plane = shape.rows * shape.columns * shape.width
        for sample, black in enumerate(shape.black):
            _fill(pixels, base + sample * plane, shape.columns, black, boxes)
    else:
        _fill(pixels, base, shape.columns, b"".join(shape.black), boxes)


def _fill(pixels: bytearray, base: int, columns: int, black: bytes, boxes: tuple[Box, ...]) -> None:
    step = len(black)
    for left, top, right, bottom in boxes:
        line = black * (right - left)
        for row in range(top, bottom):
            at = base + (row * columns + left) * step
            pixels[at : at + len(line)] = line


# Encapsulated frames


def frames_of(value: bytes, count: int) -> list[bytes]:
    """One per fragment, or all fragments as one. Anything else would need a table that may lie."""
    fragments = list(_fragments(value))[1:]  # without the offset table
    if len(fragments) == count:
        return fragments
    if count == 1 and fragments:
        return [b"".join(fragments)]
    raise _Broken


def _fragments(value: bytes) -> Iterator[bytes]:
    at = 0
    while (tag := value[at : at + 4]) == _ITEM:
        length = int.from_bytes(value[at + 4 : at + 8], "little")
        if at + 8 + length > len(value):
            raise _Broken
        yield value[at + 8 : at + 8 + length]
        at += 8 + length
    if tag != _END or at + 8 != len(value):
        raise _Broken


def _encapsulated(frames: Iterator[bytes]) -> bytes:
    """With an empty offset table (PS3.5 A.4)."""
    items = b"".join(_ITEM + len(frame).to_bytes(4, "little") + frame for frame in frames)
    return _ITEM + b"\0" * 4 + items + _END + b"\0" * 4


def _rle(plan: MaskPlan, value: bytes) -> bytes:
    return _encapsulated(_rle_frame(plan, frame) for frame in frames_of(value, plan.shape.frames))


def _rle_frame(plan: MaskPlan, frame: bytes) -> bytes:
    """Each segment is one byte of one sample, the most significant first (PS3.5 G.2)."""
    shape = plan.shape
    black = [bytes((byte,)) for sample in shape.black for byte in reversed(sample)]
    planes = rle.unpack_frame(frame, len(black), shape.rows * shape.columns)
    for plane, value in zip(planes, black, strict=True):
        _fill(plane, 0, shape.columns, value, plan.boxes)
    return rle.pack_frame(planes, shape.columns)


def _jpeg(plan: MaskPlan, value: bytes) -> bytes:
    out = bytearray()
    for frame in frames_of(value, plan.shape.frames):
        _refuse_other(frame, plan.shape)
        pixels = bytearray(_decoded(frame, plan.shape))
        if len(pixels) != plan.shape.frame_size:
            raise _Broken
        _blacken(pixels, 0, plan.shape, plan.boxes)
        out += pixels
    return bytes(out) + b"\0" * (len(out) % 2)


def _refuse_other(frame: bytes, shape: Shape) -> None:
    """Baseline, eight bits, and of just the image's size: before a decoder allocates anything."""
    if jpeg.read(frame) != jpeg.Header(jpeg.BASELINE, 8, shape.rows, shape.columns, shape.samples):
        raise _Broken


def _decoded(frame: bytes, shape: Shape) -> bytes:
    """One frame as RGB, or as grey values."""
    from pydicom.encaps import encapsulate  # noqa: PLC0415 - JPEG alone needs Pillow and numpy, which are optional
    from pydicom.pixels import get_decoder  # noqa: PLC0415

    wanted: dict[str, Any] = {
        "rows": shape.rows, "columns": shape.columns, "samples_per_pixel": shape.samples, "bits_allocated": 8,
        "bits_stored": 8, "pixel_representation": 0, "photometric_interpretation": shape.photometric,
        "number_of_frames": 1, "pixel_keyword": "PixelData", "planar_configuration": 0,
    }  # fmt: skip
    decoder = get_decoder(JPEG)
    array, said = decoder.as_array(encapsulate([frame], has_bot=False), decoding_plugin="pillow", **wanted)
    if shape.samples == 3 and said["photometric_interpretation"] != "RGB":
        raise _Broken
    return bytes(array.astype("uint8", copy=False).tobytes())
