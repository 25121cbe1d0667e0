"""A frame that says another size than its image is found before a decoder takes memory for it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import data_store
import pydicom.data
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from proxy.codestreams import Said, Unsound, jpeg, jpeg2000, mind
from proxy.deid.masks.rle import pack_frame

ROWS, COLUMNS = 48, 64
GREY = Said(ROWS, COLUMNS, 1, 8)
FOLDERS = [Path(pydicom.data.__file__).parent / "test_files", Path(data_store.__file__).parent]
BROKEN = ("JPEG2000-embedded-sequence-delimiter.dcm",)  # on purpose: nobody decodes it
MOVING = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.8.1")  # video, and frames that are deflated


def saved(form: str, mode: str = "L", **options: object) -> bytes:
    out = BytesIO()
    Image.new(mode, (COLUMNS, ROWS), 7).save(out, form, **options)
    return out.getvalue()


def stream(mode: str = "L") -> bytes:
    return saved("JPEG2000", mode, no_jp2=True)


JPEG, J2K, JP2 = saved("JPEG"), stream(), saved("JPEG2000")
RLE = pack_frame([bytearray(ROWS * COLUMNS)], COLUMNS)
WHOLE = {JPEGBaseline8Bit: JPEG, JPEG2000Lossless: J2K, RLELossless: RLE}


def with_size(frame: bytes, width: int, height: int) -> bytes:
    """The same codestream, which says another size."""
    if frame[:2] == b"\xff\xd8":
        at = frame.index(b"\xff\xc0") + 5
        return frame[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + frame[at + 4 :]
    at = frame.index(b"\xff\x4f\xff\x51") + 8
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return frame[:at] + size + frame[at + 8 :]


def marker_of(frame: bytes, marker: bytes) -> bytes:
    """The whole segment."""
    at = frame.index(marker)
    return frame[at : at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")]


def coded(precinct: int, layers: int = 1) -> bytes:
    """The same codestream, which says precincts of that size at every resolution, and so many layers."""
    before = marker_of(J2K, b"\xff\x52")
    content = bytes((before[4] | 1, before[5])) + layers.to_bytes(2, "big") + before[8:]
    content += bytes((precinct,)) * (before[9] + 1)
    return J2K.replace(before, b"\xff\x52" + (len(content) + 2).to_bytes(2, "big") + content)


def refused(syntax: str, frame: bytes, said: Said = GREY) -> bool:
    try:
        mind(syntax, frame, said)
    except Unsound as why:
        assert str(why)
        return True
    return False


@pytest.mark.parametrize("syntax", WHOLE)
def test_what_is_as_large_as_its_image_says_is_let_through(syntax: str) -> None:
    mind(syntax, WHOLE[syntax], GREY)


def test_a_jp2_file_around_a_codestream_too() -> None:
    mind(JPEG2000Lossless, JP2, GREY)


@pytest.mark.parametrize("frame", [JPEG, J2K, JP2], ids=["jpeg", "j2k", "jp2"])
@pytest.mark.parametrize(
    ("width", "height"), [(COLUMNS, 60_000), (60_000, ROWS), (ROWS, COLUMNS), (0, 0), (COLUMNS, 0)]
)
def test_another_size_is_refused(frame: bytes, width: int, height: int) -> None:
    assert refused(JPEG2000Lossless, with_size(frame, width, height))


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("frame", [with_size(JPEG, 60_000, 60_000), with_size(J2K, 60_000, 60_000)])
def test_whatever_the_transfer_syntax_calls_it(syntax: str, frame: bytes) -> None:
    assert refused(syntax, frame)


@pytest.mark.parametrize(
    "frame", [saved("JPEG", "RGB"), stream("RGB"), saved("JPEG", "CMYK")], ids=["jpeg", "j2k", "cmyk"]
)
def test_more_colours_are_refused(frame: bytes) -> None:
    assert refused(JPEG2000Lossless, frame)


@pytest.mark.parametrize("syntax", WHOLE)
def test_an_image_of_a_thousand_colours_is_refused_whatever_its_frames_are(syntax: str) -> None:
    at = J2K.index(b"\xff\x51") + 38
    many = J2K[:at] + (1_000).to_bytes(2, "big") + J2K[at + 2 :]
    assert refused(syntax, many, Said(ROWS, COLUMNS, 1_000, 8))


@pytest.mark.parametrize("syntax", WHOLE)
def test_the_beginning_of_a_frame_never_raises_anything_else(syntax: str) -> None:
    whole = WHOLE[syntax]
    for end in range(min(len(whole), 700)):
        refused(syntax, whole[:end])
        refused(syntax, whole[:end] + b"\xff" * 40)
        refused(syntax, whole[:end] + bytes(40))


class TestJpeg:
    def test_the_size_is_said_once(self) -> None:
        at = JPEG.index(b"\xff\xc0")
        end = at + 2 + int.from_bytes(JPEG[at + 2 : at + 4], "big")
        twice = JPEG[:end] + with_size(JPEG, 60_000, 60_000)[at:end] + JPEG[end:]
        assert refused(JPEGBaseline8Bit, twice)

    def test_the_parameters_of_jpeg_ls_do_not_say_another(self) -> None:
        at = JPEG.index(b"\xff\xc0")
        larger = b"\xff\xf8\x00\x0c\x04\x04" + (60_000).to_bytes(4, "big") * 2
        assert refused(JPEGLSLossless, JPEG[:at] + larger[:14] + JPEG[at:])

    def test_a_frame_without_a_scan_says_nothing(self) -> None:
        assert refused(JPEGBaseline8Bit, JPEG[: JPEG.index(b"\xff\xda")])

    def test_it_reads_what_the_frame_header_says(self) -> None:
        assert jpeg.read(JPEG) == jpeg.Header(jpeg.BASELINE, 8, ROWS, COLUMNS, 1)


class TestJpeg2000:
    def test_an_image_that_begins_elsewhere_is_as_large_as_what_is_left(self) -> None:
        at = J2K.index(b"\xff\x51") + 6
        numbers = (COLUMNS + 16, ROWS + 8, 16, 8)
        moved = J2K[:at] + b"".join(one.to_bytes(4, "big") for one in numbers) + J2K[at + 16 :]
        assert jpeg2000.read(moved) == jpeg2000.Header(ROWS, COLUMNS, 1)

    def test_a_tile_for_every_pixel_is_refused(self) -> None:
        at = J2K.index(b"\xff\x51") + 22
        tiny = J2K[:at] + (1).to_bytes(4, "big") * 2 + J2K[at + 8 :]
        assert refused(JPEG2000Lossless, with_size(tiny, 300, 300), Said(300, 300, 1, 8))

    @pytest.mark.parametrize("power", [0, 1, 2, 3])
    def test_a_precinct_for_every_few_pixels_is_refused(self, power: int) -> None:
        """A hundred bytes cost a hundred megabytes, and minutes."""
        assert refused(
            JPEG2000Lossless, with_size(coded(precinct=power * 17), 2_000, 2_000), Said(2_000, 2_000, 1, 8)
        )

    def test_precincts_of_a_usual_size_are_let_through(self) -> None:
        mind(JPEG2000Lossless, with_size(coded(precinct=6 * 17), 2_000, 2_000), Said(2_000, 2_000, 1, 8))

    def test_a_tile_that_says_otherwise_is_heard_too(self) -> None:
        tile = J2K.index(b"\xff\x90")
        segment = marker_of(coded(precinct=0), b"\xff\x52")
        whole = J2K[: tile + 12] + segment + J2K[tile + 12 :]
        assert refused(JPEG2000Lossless, with_size(whole, 2_000, 2_000), Said(2_000, 2_000, 1, 8))

    def test_a_block_for_every_few_pixels_is_refused_in_a_large_image(self) -> None:
        before = marker_of(J2K, b"\xff\x52")
        tiny = with_size(J2K.replace(before, before[:10] + bytes(2) + before[12:]), 3_000, 3_000)
        assert refused(JPEG2000Lossless, tiny, Said(3_000, 3_000, 1, 8))
        mind(JPEG2000Lossless, with_size(tiny, 1_000, 1_000), Said(1_000, 1_000, 1, 8))
        mind(JPEG2000Lossless, with_size(J2K, 3_000, 3_000), Said(3_000, 3_000, 1, 8))

    def test_more_layers_and_precincts_than_can_be_counted_are_refused(self) -> None:
        frame = with_size(coded(precinct=6 * 17, layers=65_535), 2_000, 2_000)
        assert refused(JPEG2000Lossless, frame, Said(2_000, 2_000, 1, 8))

    def test_a_marker_that_nobody_knows_hides_nothing(self) -> None:
        at = J2K.index(b"\xff\x52")
        assert refused(JPEG2000Lossless, J2K[:at] + b"\xff\x30\x00\x02" + J2K[at:])

    def test_a_palette_that_makes_colours_of_one_is_refused(self) -> None:
        at = JP2.index(b"jp2h") - 4
        length = int.from_bytes(JP2[at : at + 4], "big")
        palette = (12).to_bytes(4, "big") + b"pclr" + bytes(4)
        inner = JP2[at + 4 : at + length] + palette
        assert refused(
            JPEG2000Lossless, JP2[:at] + (length + 12).to_bytes(4, "big") + inner + JP2[at + length :]
        )

    @pytest.mark.parametrize("length", [0, 1, 7, 0xFFFFFFFF])
    def test_a_box_of_a_senseless_length_ends_the_search(self, length: int) -> None:
        """A length of 0 makes pydicom's own search for the codestream endless."""
        at = JP2.index(b"ftyp") - 4
        assert refused(JPEG2000Lossless, JP2[:at] + length.to_bytes(4, "big") + JP2[at + 4 :])


class TestRle:
    BOMB = bytes((0x81, 0)) * 200_000

    def test_runs_that_become_more_than_the_image_are_refused(self) -> None:
        assert refused(RLELossless, RLE[:64] + self.BOMB)

    def test_a_large_image_may_be_one_long_run(self) -> None:
        mind(RLELossless, RLE[:64] + self.BOMB, Said(5_120, 5_000, 1, 8))

    def test_padding_of_odd_encoders_is_let_through(self) -> None:
        mind(RLELossless, RLE + bytes((0x81, 0)), GREY)

    @pytest.mark.parametrize(
        "said", [Said(ROWS, COLUMNS, 3, 8), Said(ROWS, COLUMNS, 1, 16), Said(8, 8, 1, 1)]
    )
    def test_other_segments_than_the_image_says_are_refused(self, said: Said) -> None:
        assert refused(RLELossless, RLE, said)

    @pytest.mark.parametrize("start", [0, 63, 0xFFFFFFFF])
    def test_segments_that_are_elsewhere_are_refused(self, start: int) -> None:
        assert refused(RLELossless, RLE[:4] + start.to_bytes(4, "little") + RLE[8:])


def compressed() -> Iterator[Path]:
    """The real files that are at hand."""
    for path in sorted(one for folder in FOLDERS for one in folder.rglob("*.dcm")):
        syntax = _syntax(path)
        if syntax and syntax.is_encapsulated and path.name not in BROKEN and not syntax.startswith(MOVING):
            yield path


def _syntax(path: Path) -> UID | None:
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return None
    return read_file_meta_info(path).get("TransferSyntaxUID")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [*compressed()], ids=lambda one: one.name)
def test_real_images_are_let_through(path: Path) -> None:
    image = dcmread(path)
    if "PixelData" not in image:
        return
    said = Said(image.Rows, image.Columns, image.SamplesPerPixel, image.BitsAllocated)
    count = int(image.get("NumberOfFrames") or 1)
    for frame in generate_frames(image.PixelData, number_of_frames=count):
        mind(str(image.file_meta.TransferSyntaxUID), frame, said)
