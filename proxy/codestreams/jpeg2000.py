"""JPEG 2000, HTJ2K included: the SIZ marker, with which a codestream begins (ISO/IEC 15444-1 A.5.1), and how finely it
is cut into tiles, precincts and layers: decoders keep something for each of these, whether anything is in it or not.

DICOM wants codestreams alone (PS3.5 A.4.4), but some images hold whole JP2 files; of these the boxes before the
codestream are read, too, because they may make many colours of one (15444-1 I.5.3.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from proxy.codestreams.errors import Unsound

_FILE: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_STREAM: Final = b"\xff\x4f\xff\x51"
_SIZ: Final = Struct(">HHIIIIIIIIH").unpack_from
_SIZ_LENGTH: Final = 40
_COD, _COC, _SOT, _SOD, _EOC = 0x52, 0x53, 0x90, 0x93, 0xD9
_KNOWN: Final = frozenset(
    (0x50, 0x51, _COD, _COC, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63, 0x64, 0x74, 0x75, 0x77,
     0x78)
)  # fmt: skip
_MOST_LEVELS: Final = 32
MOST_TILES: Final = 4_096  # some kilobytes each
MOST_PRECINCTS: Final = 4_096  # some hundred bytes each; of a large image one more for so many pixels:
LEAST_PRECINCT: Final = 256
MOST_BLOCKS: Final = 1 << 19  # the same
MOST_PACKETS: Final = 1 << 24  # two bytes each


@dataclass(frozen=True, slots=True)
class Header:
    rows: int
    columns: int
    samples: int


def is_one(frame: bytes) -> bool:
    return frame.startswith((_STREAM, _FILE))


def read(frame: bytes) -> Header:
    """Raises Unsound."""
    at = _stream(frame) if frame.startswith(_FILE) else 0
    if frame[at : at + 4] != _STREAM or len(frame) < at + 4 + _SIZ_LENGTH:
        raise Unsound("A frame does not say how large it is.")
    _, _, right, bottom, left, top, width, height, tile_left, tile_top, samples = _SIZ(frame, at + 4)
    if not (width > 0 and height > 0 and tile_left <= left < right and tile_top <= top < bottom):
        raise Unsound("A frame says a size that cannot be.")
    if -(-(right - tile_left) // width) * -(-(bottom - tile_top) // height) > MOST_TILES:
        raise Unsound("A frame is cut into more tiles than anybody needs.")
    found = Header(bottom - top, right - left, samples)
    for marker, begin, end in _headers(frame, at + 2):
        if marker in (_COD, _COC):
            _mind_precincts(found, _style(frame[begin:end], marker, samples))
    return found


@dataclass(frozen=True, slots=True)
class _Style:
    """`levels` of wavelets; `block`: the power of two of the samples in one; `precincts`: those of width and height,
    from the smallest resolution on."""

    layers: int
    levels: int
    block: int
    precincts: tuple[tuple[int, int], ...]


def _style(segment: bytes, marker: int, samples: int) -> _Style:
    """Of all components, or of one, which says no layers (A.6.1, A.6.2)."""
    begin = 5 if marker == _COD else 1 + (1 if samples < 257 else 2)
    if len(segment) < begin + 5:
        raise Unsound("A frame does not say how it is coded.")
    flags = segment[0 if marker == _COD else begin - 1]
    layers = int.from_bytes(segment[2:4], "big") if marker == _COD else 1
    levels = min(segment[begin], _MOST_LEVELS)
    said = segment[begin + 5 : begin + 6 + levels] if flags & 1 else b"\xff" * (levels + 1)
    if len(said) <= levels:
        raise Unsound("A frame does not say how it is coded.")
    block = (segment[begin + 1] & 15) + (segment[begin + 2] & 15) + 4
    return _Style(layers, levels, block, tuple((one & 15, one >> 4) for one in said))


def _mind_precincts(image: Header, style: _Style) -> None:
    counts = [
        -(-image.columns // (1 << style.levels - number + wide))
        * -(-image.rows // (1 << style.levels - number + high))
        for number, (wide, high) in enumerate(style.precincts)
    ]
    pixels, places = image.rows * image.columns, (style.levels + 1) * image.samples * max(counts)
    if (
        sum(counts) > MOST_PRECINCTS + pixels // LEAST_PRECINCT
        or (style.layers + 1) * places > MOST_PACKETS
        or pixels * image.samples >> style.block > MOST_BLOCKS
    ):
        raise Unsound("A frame is cut into more pieces than anybody needs.")


def _headers(frame: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Marker segments of the main header and of all tile-parts: marker, and where its content begins and ends. Raises
    Unsound."""
    part = 0  # where the one began that is read
    while len(frame) >= at + 4 and frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == _SOD:
            size = int.from_bytes(frame[part + 6 : part + 10], "big")
            if not part or part + size <= at:
                return  # the last one may leave its length open
            at = part + size
            continue
        if marker == _SOT:
            part = at
        elif marker == _EOC:
            return
        elif marker not in _KNOWN:
            # Decoders look for the next one that they know, and find what we would not
            raise Unsound("A frame has a marker that nobody knows.")
        yield marker, at + 4, at + 2 + length
        at += 2 + max(length, 2)


def _stream(frame: bytes) -> int:
    """Where the codestream of a JP2 file begins."""
    for kind, at, end in _boxes(frame, 0, len(frame)):
        if kind == b"jp2c":
            return at
        if kind == b"jp2h" and any(inner == b"pclr" for inner, *_ in _boxes(frame, at, end)):
            raise Unsound("A frame has a palette of its own.")
    raise Unsound("A frame does not say how large it is.")


def _boxes(frame: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where its content begins and ends. A codestream may leave its length open, and is the last."""
    while at + 8 <= end:
        length, kind = int.from_bytes(frame[at : at + 4], "big"), frame[at + 4 : at + 8]
        if kind != b"jp2c" and not 8 <= length <= end - at:
            raise Unsound("A frame is a file whose boxes do not fit into it.")
        yield kind, at + 8, at + length
        at += max(length, 8)
