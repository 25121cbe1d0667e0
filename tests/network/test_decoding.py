"""A peer that takes no compression gets the same pixels without: pydicom's own files, sent to a real storescp."""

from pathlib import Path

import data_store
import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from proxy.network.contexts import MOST_CONTEXTS, PLAIN_SYNTAXES, proposals, rounds
from proxy.network.part10 import LOSSY, Unconvertible, reencoded
from proxy.network.scu import Outgoing, Peer, SendResult, send
from tests.network.people import storescp

FOLDERS = [Path(pydicom.data.__file__).parent / "test_files", Path(data_store.__file__).parent]
CODECS = (
    "MR_small_RLE.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "JPEG2000.dcm",
    "J2K_pixelrep_mismatch.dcm",
)


def file(name: str) -> Path:
    return next(path for folder in FOLDERS for path in folder.rglob(name))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Copies with UIDs of their own: many of these files are one image in several codecs."""
    return [copied(name, tmp_path, number) for number, name in enumerate(CODECS)]


def copied(name: str, folder: Path, number: int) -> Path:
    image = dcmread(file(name))
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}"
    image.save_as(folder / name)
    return folder / name


def sent(port: int, paths: list[Path]) -> list[SendResult]:
    images = [dcmread(path, stop_before_pixels=True) for path in paths]
    items = [
        Outgoing(
            n, str(one.SOPClassUID), str(one.SOPInstanceUID), str(one.file_meta.TransferSyntaxUID), paths[n]
        )
        for n, one in enumerate(images)
    ]
    results: list[SendResult] = []
    send(Peer("ARCHIVE", "127.0.0.1", port), items, results.append, lambda: True)
    return results


@pytest.mark.peers
@pytest.mark.parametrize(
    ("option", "syntax"), [("+xe", ExplicitVRLittleEndian), ("+xi", ImplicitVRLittleEndian)]
)
def test_pixels_are_the_same_whatever_the_codec(
    inbox: Path, paths: list[Path], option: str, syntax: str
) -> None:
    with storescp(inbox, option, "-B") as port:
        results = sent(port, paths)
    assert [one.verdict for one in results] == ["stored"] * len(CODECS), results
    arrived = {dcmread(path).SOPInstanceUID: dcmread(path) for path in inbox.iterdir()}
    for path in paths:
        original = dcmread(path)
        plain = arrived[original.SOPInstanceUID]
        assert plain.file_meta.TransferSyntaxUID == syntax
        assert np.array_equal(plain.pixel_array, original.pixel_array), path.name
        if original.file_meta.TransferSyntaxUID in LOSSY:
            assert plain.LossyImageCompression == "01", path.name


@pytest.mark.peers
def test_what_cannot_be_decoded_is_refused_with_a_sentence_and_the_rest_goes_on(
    tmp_path: Path, inbox: Path
) -> None:
    broken = dcmread(file("MR_small_jp2klossless.dcm"))
    broken.PixelData = broken.PixelData[:16] + bytes(len(broken.PixelData) - 16)
    broken.SOPInstanceUID = broken.file_meta.MediaStorageSOPInstanceUID = "2.25.99"
    broken.save_as(tmp_path / "broken.dcm")
    with storescp(inbox, "+xe") as port:
        first, second = sent(port, [tmp_path / "broken.dcm", file("MR_small_RLE.dcm")])
    assert (first.verdict, second.verdict) == ("refused", "stored")
    assert "decoding it failed" in first.reason


def test_a_frame_that_is_larger_than_its_image_says_is_not_decoded(tmp_path: Path) -> None:
    """JPEG 2000 says its size behind the SIZ marker; a decoder would take fourteen gigabytes for this one."""
    image = dcmread(file("MR_small_jp2klossless.dcm"))
    at = image.PixelData.index(b"\xff\x4f\xff\x51") + 8
    image.PixelData = image.PixelData[:at] + (60_000).to_bytes(4, "big") * 2 + image.PixelData[at + 8 :]
    image.save_as(tmp_path / "large.dcm")
    with pytest.raises(Unconvertible, match="Unsound"):
        reencoded(tmp_path / "large.dcm", ExplicitVRLittleEndian)


def test_more_frames_than_can_be_in_memory_are_not_decoded(tmp_path: Path) -> None:
    image = dcmread(file("MR_small_RLE.dcm"))
    image.NumberOfFrames = 200_000
    image.save_as(tmp_path / "many.dcm")
    with pytest.raises(Unconvertible, match="too large"):
        reencoded(tmp_path / "many.dcm", ExplicitVRLittleEndian)


@pytest.mark.peers
def test_compressed_goes_as_it_is_wherever_it_is_taken(inbox: Path, paths: list[Path]) -> None:
    with storescp(inbox, "+xa", "-B") as port:
        assert [one.verdict for one in sent(port, paths)] == ["stored"] * len(CODECS)
    arrived = {dcmread(path).SOPInstanceUID: dcmread(path) for path in inbox.iterdir()}
    for path in paths:
        assert arrived[dcmread(path).SOPInstanceUID].PixelData == dcmread(path).PixelData


def test_more_than_128_wanted_contexts_go_over_as_few_associations_as_they_need() -> None:
    """Each class with a plain context to fall back to, in the round where it is needed."""
    wanted = [(f"1.2.{number % 100}", f"1.3.{number // 100}") for number in range(200)]
    groups = rounds(wanted)
    assert sorted(pair for group in groups for pair in group) == sorted(wanted)
    assert len(groups) == 4
    for group in groups:
        contexts = proposals(group)
        assert len(contexts) <= MOST_CONTEXTS
        offered = {
            (str(one.abstract_syntax), str(syntax)) for one in contexts for syntax in one.transfer_syntax
        }
        assert set(group) <= offered
        assert {(uid, plain) for uid, _ in group for plain in PLAIN_SYNTAXES} <= offered
