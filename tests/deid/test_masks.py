"""Text that was drawn into pixels is gone where an entry says so; what does not fit exactly is held, never passed."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder

from proxy.deid import Clean, DeidError, Engine, Limits, deidentify, load_recipe, make_meta, restore
from proxy.deid.restore import original_syntax
from tests.deid.build import BIG_ENDIAN, EXPLICIT, IMPLICIT, SUBJECT, encoded, item

DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG, RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
ROWS, COLUMNS = 100, 160
BANNER = 12  # rows: the shipped entry for this maker covers 12 %
Pixels = NDArray[Any]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "masked.yaml"
    path.write_text("extends: basic\nburned-in: mask\nmasks: ours.yaml\n")
    (tmp_path / "ours.yaml").write_text(
        "entries:\n"
        "  - {name: small-ge, manufacturer: ^GE, modality: US, rows: 100, rectangles: [[0, 0, 100%, 12%]]}\n"
        "  - {name: pixels, manufacturer: Dots, rows: 100, columns: 160, rectangles: [[10, 20, 30, 40]]}\n"
        "  - {name: whole, manufacturer: Sheets, whole: true}\n"
        "  - {name: regions, manufacturer: Frames, outside: regions}\n"
    )
    return path


def picture(colour: bool) -> Pixels:
    """A grey field with the name in the banner and something of use below."""
    image = Image.new("RGB" if colour else "L", (COLUMNS, ROWS), (40, 80, 120) if colour else 90)
    draw = ImageDraw.Draw(image)
    draw.text((2, 0), "EXAMPLE ADA 4711", fill=(255, 255, 0) if colour else 255)
    draw.ellipse((40, 30, 120, 90), fill=(200, 10, 60) if colour else 200)
    return np.array(image)


def ultrasound(frames: int = 1, colour: bool = True, manufacturer: str = "GE Healthcare") -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1" if frames == 1 else "1.2.840.10008.5.1.4.1.1.3.1"
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4.5.1", "1.2.3.4.5", "1.2.3.4.5.0"
    ds.PatientName, ds.PatientID = "Example^Ada", "AE-4711"
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "US", manufacturer, "LOGIQ E9"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.BurnedInAnnotation = "YES"
    ds.IconImageSequence = item(Rows=1, Columns=1, BitsAllocated=8, PixelData=b"\0\0")
    ds.PixelData = picture(colour).tobytes() * frames
    ds["PixelData"].VR = "OB"
    return ds


def rle(ds: Dataset) -> Dataset:
    size = len(ds.PixelData) // int(ds.get("NumberOfFrames", 1))
    frames = [ds.PixelData[at : at + size] for at in range(0, len(ds.PixelData), size)]
    said = {
        "rows": ds.Rows, "columns": ds.Columns, "samples_per_pixel": ds.SamplesPerPixel, "number_of_frames": 1,
        "bits_allocated": ds.BitsAllocated, "bits_stored": ds.BitsStored, "pixel_representation": 0,
        "photometric_interpretation": ds.PhotometricInterpretation, "planar_configuration": 0,
    }  # fmt: skip
    ds.PixelData = encapsulate([RLELosslessEncoder.encode(frame, **said) for frame in frames])
    ds["PixelData"].is_undefined_length = True
    return ds


def jpeg(ds: Dataset) -> Dataset:
    """As an ultrasound machine writes it: YBR, half the chroma, with its lossy history."""
    colour, out = ds.SamplesPerPixel == 3, BytesIO()
    Image.fromarray(picture(colour)).save(out, "JPEG", quality=90, subsampling="4:2:2" if colour else -1)
    ds.PixelData = encapsulate([out.getvalue()] * int(ds.get("NumberOfFrames", 1)))
    ds["PixelData"].is_undefined_length = True
    if colour:
        ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", "ISO_10918_1"
    return ds


def masked(ds: Dataset, recipe: Path, syntax: str = EXPLICIT) -> tuple[bytes, bytes, Clean]:
    data = encoded(ds, syntax)
    clean = deidentify(data, syntax, Engine(load_recipe(str(recipe))), lambda facts: SUBJECT)
    return data, b"".join(clean.rest), clean


def pixels(data: bytes, syntax: str) -> Pixels:
    return np.asarray(dcmread(BytesIO(make_meta("1.2", "1.2", syntax) + data)).pixel_array)


CASES = [
    (EXPLICIT, None, EXPLICIT), (IMPLICIT, None, IMPLICIT), (DEFLATED, None, DEFLATED), (RLE, rle, RLE),
    (JPEG, jpeg, EXPLICIT),
]  # fmt: skip


@pytest.mark.parametrize(("syntax", "encode", "written"), CASES)
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("colour", [True, False])
def test_the_banner_is_black_and_the_rest_is_as_it_was(
    recipe: Path, syntax: str, encode: Any, written: str, frames: int, colour: bool
) -> None:
    ds = ultrasound(frames, colour)
    data, out, clean = masked(encode(ds) if encode else ds, recipe, syntax)
    assert not clean.holds and clean.transfer_syntax == written and clean.report.masked == "small-ge"
    was = pixels(data, syntax).reshape(frames, ROWS, COLUMNS, -1)
    seen = dcmread(BytesIO(clean.meta + out))
    is_now = np.asarray(seen.pixel_array).reshape(frames, ROWS, COLUMNS, -1)
    assert was[:, :BANNER].max() > 200 and is_now[:, :BANNER].max() == 0
    assert np.array_equal(was[:, BANNER:], is_now[:, BANNER:])
    assert original_syntax(clean.seal, clean.transfer_syntax) == syntax
    if syntax != DEFLATED:
        assert restore(out, clean.transfer_syntax, clean.seal) == data


def test_the_header_says_what_was_done(recipe: Path) -> None:
    _, out, clean = masked(jpeg(ultrasound()), recipe, JPEG)
    ds = dcmread(BytesIO(clean.meta + out))
    codes = [code.CodeValue for code in ds.DeidentificationMethodCodeSequence]
    assert "113101" in codes and clean.report.codes == tuple(codes)
    assert ds.BurnedInAnnotation == "NO" and ds.PhotometricInterpretation == "RGB" and ds.PlanarConfiguration == 0
    assert ds.LossyImageCompression == "01" and ds.LossyImageCompressionMethod == "ISO_10918_1"
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT and "IconImageSequence" not in ds


def test_what_is_not_masked_claims_nothing(recipe: Path) -> None:
    ds = ultrasound()
    ds.Modality, ds.SOPClassUID, ds.BurnedInAnnotation = "CT", "1.2.840.10008.5.1.4.1.1.2", "NO"
    data, out, clean = masked(ds, recipe)
    assert not clean.holds and not clean.report.masked and "113101" not in clean.report.codes
    assert np.array_equal(pixels(data, EXPLICIT), pixels(out, EXPLICIT))
