"""The data set of a Part 10 file: where it begins, and the same data set in a plain transfer syntax.

On the wire goes what the file holds behind its meta information, byte for byte. Only when a peer does not
take the stored transfer syntax is the image decoded by pydicom and written as little endian, with no loss
against what its codec says; its UIDs stay.
"""

import struct
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless
from pynetdicom.dsutils import decode as read_data

from proxy import codestreams
from proxy.network.contexts import IMPLICIT_LITTLE

LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless})
"""Those that are lossy whatever the image says; JPEG 2000 may be either, and the image says which."""

WRITABLE = "pylibjpeg"
"""Of the decoders of JPEG 2000 the one whose samples pydicom can set right where image and codestream disagree about
their sign; it fails at those of the others."""
LARGEST = 1 << 30
"""Bytes of decoded pixels of one image, which are in memory as a whole, twice for a while."""
_GROUP_LENGTH = struct.Struct("<HH2sHL")


class Unconvertible(Exception):
    """The peer does not take the stored transfer syntax, and we cannot decode it."""


class NotPart10(ValueError):
    """The file does not begin as PS3.10 7.1 says."""


def data_set_offset(file: BinaryIO) -> int:
    """Behind preamble, DICM and the group 0002, whose length is its first element. Raises NotPart10."""
    head = file.read(144)
    if len(head) < 144 or head[128:132] != b"DICM":
        raise NotPart10("not a Part 10 file")
    group, element, vr, _, length = _GROUP_LENGTH.unpack(head[132:144])
    if (group, element, vr) != (2, 0, b"UL"):
        raise NotPart10("the file meta information has no group length")
    return 144 + int(length)


def data_set(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(data_set_offset(file))
        return file.read()


def reencoded(path: Path, syntax: str) -> bytes:
    """The data set in explicit or implicit little endian. Raises Unconvertible with a sentence."""
    return _reencoded(lambda: dcmread(path), syntax)


def reencoded_data(data: bytes, stored: str, syntax: str) -> bytes:
    """The same for a data set in memory."""

    def read() -> Any:
        known = UID(stored)
        image: Any = read_data(BytesIO(data), known.is_implicit_VR, known.is_little_endian, known.is_deflated)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = known
        return image

    return _reencoded(read, syntax)


def _reencoded(read: Callable[[], Any], syntax: str) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _plain(read(), syntax)
    except (OSError, Unconvertible):
        raise
    except Exception as error:
        raise Unconvertible(
            f"The peer refuses the stored transfer syntax, and decoding it failed ({type(error).__name__})."
        ) from None


def _plain(image: Any, syntax: str) -> bytes:
    stored = image.file_meta.TransferSyntaxUID
    if not stored.is_little_endian:
        raise NotImplementedError  # pydicom does not turn words around
    if stored.is_encapsulated:
        _mind(image, stored)
        plugin = WRITABLE if stored in JPEG2000TransferSyntaxes else ""
        image.decompress(as_rgb=False, generate_instance_uid=False, decoding_plugin=plugin)
        if image.get("PhotometricInterpretation") == "YBR_FULL_422":
            image.PhotometricInterpretation = "YBR_FULL"  # decoders give every sample its own colour
        if stored in LOSSY:
            image.LossyImageCompression = "01"  # what was lost stays lost (PS3.3 C.7.6.1.1.5)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, syntax == IMPLICIT_LITTLE
    write_dataset(buffer, image)
    return bytes(buffer.getvalue())


def _mind(image: Any, stored: str) -> None:
    """A decoder takes what a frame says of itself, and all frames together; both before it is asked."""
    said = codestreams.Said(image.Rows, image.Columns, image.SamplesPerPixel, image.BitsAllocated)
    count = int(image.get("NumberOfFrames") or 1)
    if said.rows * said.columns * said.samples * said.allocated // 8 * count > LARGEST:
        raise Unconvertible("The peer refuses the stored transfer syntax, and decoded it is too large.")
    for frame in generate_frames(image.PixelData, number_of_frames=count, extended_offsets=_offsets(image)):
        codestreams.mind(stored, frame, said)


def _offsets(image: Any) -> Any:
    """The tables of frames that are longer than the usual one can say (PS3.3 C.7.6.3.1.8)."""
    both = image.get("ExtendedOffsetTable"), image.get("ExtendedOffsetTableLengths")
    return both if all(both) else None
