"""What to do with the pixels of one image, decided from its header alone: a MaskPlan, or the reason why it is held.

Only what is understood to the last bit is masked. A header that lies about its pixels is found by frames.py, which
counts them; here its claims must only be possible, and small enough.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Final

from pydicom.filereader import read_dataset

from proxy.deid.context import Hold
from proxy.deid.facts import Facts
from proxy.deid.masks.entries import Box, Entry

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
JPEG: Final = "1.2.840.10008.1.2.4.50"
RLE: Final = "1.2.840.10008.1.2.5"
_WRITTEN: Final = {IMPLICIT: IMPLICIT, EXPLICIT: EXPLICIT, DEFLATED: DEFLATED, RLE: RLE, JPEG: EXPLICIT}

SAMPLES: Final = 0x00280002
PHOTOMETRIC: Final = 0x00280004
PLANAR: Final = 0x00280006
ROWS: Final = 0x00280010
COLUMNS: Final = 0x00280011
ALLOCATED: Final = 0x00280100
STORED: Final = 0x00280101
HIGH_BIT: Final = 0x00280102
SIGNED: Final = 0x00280103
BURNED_IN: Final = 0x00280301
REGIONS: Final = 0x00186011
_ICON: Final = 0x00880200
_OFFSETS: Final = (0x7FE00001, 0x7FE00002)  # of frames that will be elsewhere
# What the engine must have seen of a header to mask its pixels, or overwrites when it does
PIXEL_TAGS: Final = frozenset(
    (
        SAMPLES, PHOTOMETRIC, PLANAR, ROWS, COLUMNS, ALLOCATED, STORED, HIGH_BIT, SIGNED, BURNED_IN, REGIONS, _ICON,
        *_OFFSETS,
    )
)  # fmt: skip
CODE: Final = "burned-in"
_MOST_REGIONS: Final = 64  # a hostile sender may name any number
_LARGEST_REGION: Final = 4096
_MOST_FRAMES: Final = 100_000
_MOST_JPEGS: Final = 5_000  # each costs some milliseconds
_MOST_LINES: Final = 10_000_000  # rows of rectangles in all frames: some seconds of work
Look = Callable[[int], bytes | None]  # the value of a top level attribute, None where it does not stand


@dataclass(frozen=True, slots=True)
class Shape:
    """How the pixels lie. `frames` of `rows` x `columns` pixels of `samples` values of `width` bytes."""

    rows: int
    columns: int
    samples: int
    width: int
    frames: int
    photometric: str
    by_plane: bool
    signed: bool
    black: tuple[bytes, ...]  # what is displayed black, per sample, little endian

    @property
    def frame_size(self) -> int:
        return self.rows * self.columns * self.samples * self.width


@dataclass(frozen=True, slots=True)
class MaskPlan:
    entry: str
    boxes: tuple[Box, ...]
    shape: Shape
    original_syntax: str
    transfer_syntax: str  # of what is written
    header: tuple[tuple[int, str, bytes | None], ...]  # attributes that change (tag, VR, value), None goes


class _Unfit(Exception):
    """A reason why this image is held."""


def plan_for(facts: Facts, look: Look, syntax: str, entries: Sequence[Entry], limit: int) -> MaskPlan | Hold:
    """limit: bytes of decoded pixels that may be in memory."""
    try:
        return _plan(facts, look, syntax, entries, limit)
    except _Unfit as unfit:
        return Hold(CODE, str(unfit))


def _plan(facts: Facts, look: Look, syntax: str, entries: Sequence[Entry], limit: int) -> MaskPlan:
    if syntax not in _WRITTEN:
        raise _Unfit("It may show a name, and pixels in this transfer syntax cannot be masked.")
    shape = _shape(facts, look, syntax)
    if shape.frame_size * shape.frames > limit:
        raise _Unfit("It may show a name, and its pixels are more than the limit for masking.")
    entry = _entry(facts, shape, entries)
    boxes = tuple(rectangle.box(shape.rows, shape.columns) for rectangle in entry.rectangles)
    if entry.outside_regions:
        boxes += _outside(_regions(look, syntax, shape), shape)
    lines = shape.frames * sum(bottom - top for _, top, _, bottom in boxes)
    if lines > _MOST_LINES or shape.frames > (_MOST_JPEGS if syntax == JPEG else _MOST_FRAMES):
        raise _Unfit("It may show a name, and its frames are too many to be masked.")
    return MaskPlan(entry.name, boxes, shape, syntax, _WRITTEN[syntax], _header(look, shape, syntax))


def _entry(facts: Facts, shape: Shape, entries: Sequence[Entry]) -> Entry:
    said = facts.manufacturer, facts.model, facts.modality
    for entry in entries:
        if entry.fits(*said, shape.rows, shape.columns):
            return entry
    raise _Unfit("It may show a name, and no entry of the mask library fits its device and size.")


def _header(look: Look, shape: Shape, syntax: str) -> tuple[tuple[int, str, bytes | None], ...]:
    gone = tuple((tag, "", None) for tag in (_ICON, *_OFFSETS) if look(tag) is not None)
    colour = syntax == JPEG and shape.samples == 3
    changed: tuple[tuple[int, str, bytes | None], ...] = (
        ((PHOTOMETRIC, "CS", b"RGB"), (PLANAR, "US", b"\0\0")) if colour else ()
    )
    return (*changed, (BURNED_IN, "CS", b"NO"), *gone)


# What the header says about the pixels


def _shape(facts: Facts, look: Look, syntax: str) -> Shape:
    numbers = {
        tag: _number(look, tag) for tag in (SAMPLES, ROWS, COLUMNS, ALLOCATED, STORED, HIGH_BIT, SIGNED)
    }
    samples, allocated, stored = numbers[SAMPLES], numbers[ALLOCATED], numbers[STORED]
    photometric = (look(PHOTOMETRIC) or b"").decode("latin-1").strip(" \0")
    if not numbers[ROWS] or not numbers[COLUMNS]:
        raise _Unfit("It may show a name, and its header gives no image size.")
    if allocated not in (8, 16) or not 1 <= stored <= allocated or numbers[HIGH_BIT] != stored - 1:
        raise _Unfit("It may show a name, and pixels of this depth cannot be masked.")
    if (samples, photometric) not in _allowed(syntax) or (
        allocated == 16 and (samples == 3 or syntax == JPEG)
    ):
        raise _Unfit(
            "It may show a name, and pixels of this kind (Photometric Interpretation) cannot be masked."
        )
    by_plane = samples == 3 and syntax != JPEG and _planar(look)
    return Shape(
        numbers[ROWS], numbers[COLUMNS], samples, allocated // 8, _frames(facts.frames), photometric, by_plane,
        bool(numbers[SIGNED]),
        _black(photometric if syntax != JPEG or samples == 1 else "RGB", allocated // 8, stored, numbers[SIGNED]),
    )  # fmt: skip


def _allowed(syntax: str) -> tuple[tuple[int, str], ...]:
    common = ((1, "MONOCHROME1"), (1, "MONOCHROME2"), (3, "RGB"), (3, "YBR_FULL"))
    return (*common, (3, "YBR_FULL_422")) if syntax == JPEG else common


def _number(look: Look, tag: int) -> int:
    value = look(tag)
    if value is None or len(value) != 2:
        raise _Unfit("It may show a name, and its header does not describe its pixels.")
    return int.from_bytes(value, "little")


def _planar(look: Look) -> bool:
    planar = _number(look, PLANAR)
    if planar > 1:
        raise _Unfit("It may show a name, and its Planar Configuration means nothing.")
    return planar == 1


def _frames(said: str) -> int:
    if not said:
        return 1
    if not (said.isascii() and said.isdigit()) or len(said) > 9 or int(said) < 1:
        raise _Unfit("It may show a name, and its Number of Frames is no number.")
    return int(said)


def _black(photometric: str, width: int, stored: int, signed: int) -> tuple[bytes, ...]:
    """PS3.3 C.7.6.3.1.2. Of grey the end of the range that is displayed black, whatever window is laid over it."""
    if photometric == "RGB":
        return (b"\0", b"\0", b"\0")
    if photometric == "YBR_FULL":
        return (b"\0", b"\x80", b"\x80")
    low = -(1 << (stored - 1)) if signed else 0
    high = (1 << (stored - 1)) - 1 if signed else (1 << stored) - 1
    value = low if photometric == "MONOCHROME2" else high
    return (value.to_bytes(width, "little", signed=bool(signed)),)


# Everything outside the Sequence of Ultrasound Regions (PS3.3 C.8.5.5)


def _regions(look: Look, syntax: str, shape: Shape) -> list[Box]:
    value = look(REGIONS)
    if not value or len(value) > _MOST_REGIONS * _LARGEST_REGION:
        raise _Unfit("It may show a name, and it names no ultrasound regions to keep.")
    try:
        found = [_region(item) for item in _items(value, syntax)]
    except Exception:  # a stranger's sequence
        raise _Unfit("It may show a name, and its ultrasound regions cannot be read.") from None
    inside = all(0 <= x0 < x1 <= shape.columns and 0 <= y0 < y1 <= shape.rows for x0, y0, x1, y1 in found)
    if not inside or not 1 <= len(found) <= _MOST_REGIONS:
        raise _Unfit("It may show a name, and its ultrasound regions do not lie in the image.")
    return found


def _items(value: bytes, syntax: str) -> Sequence[object]:
    element = b"\x18\x00\x11\x60" + (b"" if syntax == IMPLICIT else b"SQ\0\0")
    element += len(value).to_bytes(4, "little") + value
    return list(read_dataset(BytesIO(element), syntax == IMPLICIT, True)[REGIONS].value)


def _region(item: object) -> Box:
    """The corners belong to the region (PS3.3 C.8.5.5.1.2)."""
    names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    x0, y0, x1, y1 = (int(getattr(item, name)) for name in names)
    return x0, y0, x1 + 1, y1 + 1


def _outside(regions: Sequence[Box], shape: Shape) -> tuple[Box, ...]:
    """Bands between all edges of regions, cut at them: what lies in no region."""
    ys = sorted({0, shape.rows, *(y for _, top, _, bottom in regions for y in (top, bottom))})
    boxes: list[Box] = []
    for top, bottom in pairwise(ys):
        at = 0
        for left, _, right, _ in sorted(box for box in regions if box[1] <= top < box[3]):
            if left > at:
                boxes.append((at, top, left, bottom))
            at = max(at, right)
        if at < shape.columns:
            boxes.append((at, top, shape.columns, bottom))
    return tuple(boxes)
