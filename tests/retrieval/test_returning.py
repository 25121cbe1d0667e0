"""Of what comes back only the beginning is read to know what it is: the rest may be larger than our memory."""

import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from proxy.retrieval.returning import Image, read

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
]
META = b"\x02\x00\x00\x00UL\x04\x00"
UIDS = b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0" + b"\x08\x00\x18\x00UI\x08\x001.2.3.4\0"


def file_of(syntax: str) -> bytes:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    image.SOPClassUID, image.SOPInstanceUID, image.PatientID = CTImageStorage, "1.2.3.4", "x" * 60
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    return out.getvalue()


def meta_of(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    return b"\0" * 128 + b"DICM" + META + len(element).to_bytes(4, "little") + element


def long_element(tag: bytes, size: int) -> bytes:
    return tag + b"OB\0\0" + size.to_bytes(4, "little") + b"\0" * size


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_image_of_any_encoding_is_known(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(file_of(syntax))
    assert read(path) == Image(path, "1.2.3.4", CTImageStorage, syntax)


LARGE = 64 << 20
BOMBS = {
    "deflated": meta_of(DeflatedExplicitVRLittleEndian)
    + zlib.compress(long_element(b"\x08\x00\x01\x00", LARGE) + UIDS, 1)[2:-4],
    "an element before the UIDs": meta_of(ExplicitVRLittleEndian)
    + long_element(b"\x08\x00\x01\x00", LARGE)
    + UIDS,
    "the meta information": b"\0" * 128
    + b"DICM"
    + META
    + b"\0" * 4
    + long_element(b"\x02\x00\x02\x01", LARGE),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_promise_11_what_swells_is_no_image_and_costs_no_memory(tmp_path: Path, bomb: str) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(BOMBS[bomb])
    tracemalloc.start()
    try:
        assert read(path) is None
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_what_is_behind_the_uids_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(meta_of(ExplicitVRLittleEndian) + UIDS + long_element(b"\xe0\x7f\x10\x00", LARGE))
    assert read(path) == Image(path, "1.2.3.4", CTImageStorage, ExplicitVRLittleEndian)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 132, b"\0" * 128 + b"DICM", file_of(ExplicitVRLittleEndian)[:200]]
)
def test_what_is_no_whole_image_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    assert read(path) is None
