"""Text that was drawn into pixels is gone where an entry says so; what does not fit exactly is held, never passed."""

import time
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
    assert (
        ds.BurnedInAnnotation == "NO"
        and ds.PhotometricInterpretation == "RGB"
        and ds.PlanarConfiguration == 0
    )
    assert ds.LossyImageCompression == "01" and ds.LossyImageCompressionMethod == "ISO_10918_1"
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT and "IconImageSequence" not in ds


def test_what_is_not_masked_claims_nothing(recipe: Path) -> None:
    ds = ultrasound()
    ds.Modality, ds.SOPClassUID, ds.BurnedInAnnotation = "CT", "1.2.840.10008.5.1.4.1.1.2", "NO"
    data, out, clean = masked(ds, recipe)
    assert not clean.holds and not clean.report.masked and "113101" not in clean.report.codes
    assert np.array_equal(pixels(data, EXPLICIT), pixels(out, EXPLICIT))


def test_sixteen_bits_planes_ybr_and_inverted_grey_become_what_is_displayed_black(recipe: Path) -> None:
    ds = ultrasound(colour=False, manufacturer="Dots")
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PhotometricInterpretation = 16, 12, 11, "MONOCHROME1"
    ds.PixelData = (picture(False).astype("<u2") * 8).tobytes()
    ds["PixelData"].VR = "OW"
    for syntax, encode in ((EXPLICIT, None), (RLE, rle)):
        _, out, clean = masked(encode(ds) if encode else ds, recipe, syntax)
        box = pixels(out, clean.transfer_syntax)[20:60, 10:40]
        assert not clean.holds and box.min() == box.max() == 4095
    ds = ultrasound(manufacturer="Dots")
    ds.PlanarConfiguration, ds.PhotometricInterpretation = 1, "YBR_FULL"
    ds.PixelData = picture(True).transpose(2, 0, 1).tobytes()
    _, out, clean = masked(ds, recipe)
    raw = np.frombuffer(dcmread(BytesIO(clean.meta + out)).PixelData, "u1").reshape(3, ROWS, COLUMNS)
    assert [set(plane[20:60, 10:40].flat) for plane in raw] == [{0}, {128}, {128}]
    outside = np.ones((ROWS, COLUMNS), bool)
    outside[20:60, 10:40] = False
    assert np.array_equal(raw[:, outside], picture(True).transpose(2, 0, 1)[:, outside])


def test_signed_grey_goes_to_its_dark_end(recipe: Path) -> None:
    ds = ultrasound(colour=False, manufacturer="Sheets")
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 1
    ds.PixelData = picture(False).astype("<i2").tobytes()
    ds["PixelData"].VR = "OW"
    _, out, clean = masked(ds, recipe)
    assert set(pixels(out, EXPLICIT).flat) == {-2048} and clean.report.masked == "whole"


def region(x0: int, y0: int, x1: int, y1: int) -> Dataset:
    ds = Dataset()
    ds.RegionLocationMinX0, ds.RegionLocationMinY0 = x0, y0
    ds.RegionLocationMaxX1, ds.RegionLocationMaxY1 = x1, y1
    return ds


@pytest.mark.parametrize("open_ended", [True, False])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_all_but_the_ultrasound_regions_becomes_black(recipe: Path, syntax: str, open_ended: bool) -> None:
    ds = ultrasound(manufacturer="Frames")
    ds.SequenceOfUltrasoundRegions = [region(10, 20, 59, 79), region(50, 40, 149, 99)]
    ds["SequenceOfUltrasoundRegions"].is_undefined_length = open_ended
    data, out, clean = masked(ds, recipe, syntax)
    keep = np.zeros((ROWS, COLUMNS), bool)
    keep[20:80, 10:60] = keep[40:100, 50:150] = True
    was, is_now = pixels(data, syntax), pixels(out, syntax)
    assert not clean.holds and np.array_equal(was[keep], is_now[keep]) and not is_now[~keep].any()


def test_regions_that_are_missing_or_lie_outside_hold_the_image(recipe: Path) -> None:
    ds = ultrasound(manufacturer="Frames")
    assert_held(*masked(ds, recipe))
    for corners in ((10, 20, 160, 79), (60, 20, 10, 79)):
        ds.SequenceOfUltrasoundRegions = [region(*corners)]
        assert_held(*masked(ds, recipe))
    ds.SequenceOfUltrasoundRegions = [Dataset()]
    assert_held(*masked(ds, recipe))
    ds.SequenceOfUltrasoundRegions = [region(0, 0, 9, 9) for _ in range(65)]
    assert_held(*masked(ds, recipe))


# What does not fit is held


def assert_held(data: bytes, out: bytes, clean: Clean) -> None:
    assert {hold.code for hold in clean.holds} - {"disorder"} == {"burned-in"} and not clean.report.masked
    assert all(hold.reason.endswith(".") and "Example" not in hold.reason for hold in clean.holds)
    assert restore(out, clean.transfer_syntax, clean.seal) == data


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Manufacturer", "ACME"), ("Manufacturer", "GE" + "x" * 80), ("Modality", "OT"), ("Rows", 99), ("Rows", 101),
        ("Columns", 159), ("Rows", 0), ("BitsAllocated", 32), ("BitsStored", 0), ("BitsStored", 9), ("HighBit", 6),
        ("SamplesPerPixel", 1), ("SamplesPerPixel", 4), ("PlanarConfiguration", 2), ("NumberOfFrames", 2),
        ("NumberOfFrames", 10**8), ("PhotometricInterpretation", "PALETTE COLOR"),
        ("PhotometricInterpretation", "YBR_FULL_422"), ("PhotometricInterpretation", "X"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:The value length")
def test_an_unknown_device_and_a_header_that_lies_are_held(recipe: Path, keyword: str, value: object) -> None:
    ds = ultrasound()
    setattr(ds, keyword, value)
    assert_held(*masked(ds, recipe))
    if keyword not in ("PhotometricInterpretation", "PlanarConfiguration", "BitsStored", "HighBit"):
        ds = rle(ultrasound())
        setattr(ds, keyword, value)
        assert_held(*masked(ds, recipe, RLE))
    if keyword not in ("PhotometricInterpretation", "PlanarConfiguration"):
        ds = jpeg(ultrasound())
        setattr(ds, keyword, value)
        assert_held(*masked(ds, recipe, JPEG))


@pytest.mark.parametrize(("syntax", "encode"), [(EXPLICIT, None), (RLE, rle), (JPEG, jpeg)])
def test_a_giant_of_words_is_held_before_anything_is_made_of_it(
    recipe: Path, syntax: str, encode: Any
) -> None:
    ds = encode(ultrasound()) if encode else ultrasound()
    ds.Rows = ds.Columns = 65535
    ds.Manufacturer = "Sheets"
    assert_held(*masked(ds, recipe, syntax))


@pytest.mark.parametrize(("syntax", "encode"), [(RLE, rle), (JPEG, jpeg)])
def test_frames_that_were_cut_or_damaged_are_held(recipe: Path, syntax: str, encode: Any) -> None:
    ds = encode(ultrasound())
    whole = encoded(ds, syntax)
    start = whole.rindex(b"\xfe\xff\x00\xe0") + 8
    engine = Engine(load_recipe(str(recipe)))
    frame = whole[start:-8]
    damaged = [b"", frame[:2], frame[:70], frame[: len(frame) // 2], b"\0" * len(frame), frame[::-1]]
    damaged += [
        frame[:64] + b"\x81" * len(frame),
        b"\xff" * len(frame),
        frame[:4] + b"\xff" * 60 + frame[64:],
        frame[:64] + b"\x80" * 200_000,  # says nothing, at length
    ]
    for bad in (frame + b"\0" * (len(frame) % 2) for frame in damaged):
        data = whole[: start - 4] + len(bad).to_bytes(4, "little") + bad + whole[-8:]
        clean = deidentify(data, syntax, engine, lambda facts: SUBJECT)
        out = b"".join(clean.rest)
        if clean.holds:
            assert_held(data, out, clean)
        else:  # it can be decoded after all: what came of it is masked
            assert not pixels(out, clean.transfer_syntax)[:BANNER].any()


def test_a_jpeg_that_is_larger_than_its_header_says_is_held(recipe: Path) -> None:
    out = BytesIO()
    Image.new("RGB", (COLUMNS, ROWS + 1)).save(out, "JPEG")
    ds = jpeg(ultrasound())
    ds.PixelData = encapsulate([out.getvalue()])
    assert_held(*masked(ds, recipe, JPEG))
    out = BytesIO()
    Image.new("RGB", (COLUMNS, ROWS)).save(out, "JPEG", progressive=True)
    ds.PixelData = encapsulate([out.getvalue()])
    assert_held(*masked(ds, recipe, JPEG))


def test_syntaxes_that_we_do_not_mask_are_held(recipe: Path) -> None:
    assert_held(*masked(ultrasound(), recipe, BIG_ENDIAN))
    assert_held(*masked(jpeg(ultrasound()), recipe, "1.2.840.10008.1.2.4.51"))


def test_an_attribute_that_stands_twice_is_held(recipe: Path) -> None:
    data = encoded(ultrasound())
    at = data.index(b"\x28\x00\x10\x00US")
    twice = data[: at + 10] + data[at : at + 8] + COLUMNS.to_bytes(2, "little") + data[at + 10 :]
    behind = data + data[at : at + 10]
    for bad in (twice, behind):
        clean = deidentify(bad, EXPLICIT, Engine(load_recipe(str(recipe))), lambda facts: SUBJECT)
        assert_held(bad, b"".join(clean.rest), clean)


def test_millions_of_tiny_frames_are_held_at_once(recipe: Path) -> None:
    ds = ultrasound(colour=False, manufacturer="Sheets")
    ds.Rows, ds.Columns, ds.NumberOfFrames = 4, 1, 3_000_000
    ds.PixelData = bytes(12_000_000)
    started = time.process_time()
    assert_held(*masked(ds, recipe))
    assert time.process_time() - started < 5


def test_nothing_of_the_pixels_comes_out_before_they_are_masked(recipe: Path) -> None:
    data = encoded(ultrasound())
    work = Engine(load_recipe(str(recipe))).begin(EXPLICIT)
    work.feed(data[:-1000])
    assert work.settle(SUBJECT) == ()
    assert sum(len(piece) for piece in work.take()) < 2000
    work.feed(data[-1000:])
    assert work.take() == []
    assert len(b"".join(work.finish().rest)) == ROWS * COLUMNS * 3 + 12


def test_more_than_the_limit_is_held_or_refused(recipe: Path) -> None:
    engine = Engine(load_recipe(str(recipe)), Limits(masked=40_000))
    data = encoded(ultrasound())
    clean = deidentify(data, EXPLICIT, engine, lambda facts: SUBJECT)
    assert_held(data, b"".join(clean.rest), clean)
    ds = jpeg(ultrasound(colour=False))
    ds.PixelData = encapsulate([b"\xff" * 50_000])
    work = engine.begin(JPEG)
    data = encoded(ds, JPEG)
    work.feed(data[:1000])
    work.feed(data[1000:40_000]) if work.facts else None
    with pytest.raises(DeidError, match="limit for masking"):
        work.settle(SUBJECT) if work.facts else None
        work.feed(data[40_000:])
        work.settle(SUBJECT)
        work.finish()


def test_where_a_person_has_looked_the_pixels_pass_as_they_are(recipe: Path) -> None:
    data = encoded(ultrasound())
    work = Engine(load_recipe(str(recipe))).begin(EXPLICIT, masks=False)
    work.feed(data)
    assert [hold.code for hold in work.settle(SUBJECT)] == ["burned-in"]
    clean = work.finish()
    assert np.array_equal(pixels(b"".join(clean.rest), EXPLICIT), picture(True)[:, :])
