"""Frames and pictures, of images of all kinds: what leaves is what pydicom says they show."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from proxy.audit.models import Entry
from proxy.dicomweb.giving import bulk, frames, rendered, sources
from proxy.dicomweb.giving.forms import EXPLICIT
from proxy.dicomweb.giving.pixels import NoFrame, Pictures, Undecodable
from proxy.dicomweb.giving.rendered import JPEG, PNG, Look, Viewport
from proxy.dicomweb.giving.windows import Window
from proxy.dicomweb.negotiation import RELATED, Choice
from proxy.dicomweb.negotiation import Offer as Form
from proxy.network.giving import Offer
from tests import cast
from tests.dicomweb.conftest import Site
from tests.dicomweb.test_giving import PLAN, Shelf, file_of, parts, received, shelf

__all__ = ["shelf"]


def pictures_of(path: Path) -> Pictures:
    image = dcmread(path, stop_before_pixels=True)
    return Pictures(
        sources.opened(
            Offer(image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID, path)
        )
    )


def example(name: str) -> Path:
    found = get_testdata_file(name)
    assert isinstance(found, str)
    return Path(found)


def saved(image: Dataset, folder: Path) -> Pictures:
    path = folder / "one.dcm"
    dcmwrite(path, image, enforce_file_format=True)
    return pictures_of(path)


AS_IT_IS = Look()


def picture(pictures: Pictures, look: Look = AS_IT_IS, frame: int = 0) -> Any:
    return np.asarray(Pillow.open(BytesIO(rendered.drawn(pictures, frame, look, PNG))))


def _words(values: range) -> bytes:
    return np.array(values, "<u2").tobytes()


FILES = [
    "CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "rtdose.dcm", "JPEG2000.dcm",
    "SC_rgb_rle_2frame.dcm", "SC_rgb_jpeg_dcmtk.dcm", "emri_small_RLE.dcm", "emri_small_jpeg_ls_lossless.dcm",
    "liver.dcm", "SC_rgb_small_odd.dcm", "color-pl.dcm", "examples_ybr_color.dcm",
]  # fmt: skip


class TestFrames:
    @pytest.mark.parametrize("name", FILES)
    def test_every_frame_is_what_pydicom_reads(self, name: str) -> None:
        path = example(name)
        pictures = pictures_of(path)
        theirs = pixel_array(path, raw=True)
        theirs = theirs if pictures.count > 1 else theirs[np.newaxis]
        for frame in {0, pictures.count // 2, pictures.count - 1}:
            mine = pictures.decoded(frame, raw=True)
            assert (mine == theirs[frame]).all()

    def test_frames_of_single_bits_begin_with_a_byte_of_their_own(self) -> None:
        path = example("liver.dcm")
        whole = dcmread(path).PixelData
        pictures = pictures_of(path)
        bits = pictures.number("00280010") * pictures.number("00280011")
        every = np.unpackbits(np.frombuffer(whole, np.uint8), bitorder="little")
        mine = np.unpackbits(np.frombuffer(pictures.stored(1), np.uint8), bitorder="little")
        assert (mine[:bits] == every[bits : 2 * bits]).all()

    @pytest.mark.parametrize(
        ("changes", "trouble"),
        [
            ({"Rows": 6000}, Undecodable),
            ({"Rows": 0}, Undecodable),
            ({"BitsAllocated": 12}, Undecodable),
            ({"SamplesPerPixel": 500}, Undecodable),
            ({"PhotometricInterpretation": "NONSENSE"}, Undecodable),
            ({"PixelData": b""}, NoFrame),
        ],
        ids=repr,
    )
    def test_lies_of_a_header(
        self, tmp_path: Path, changes: dict[str, Any], trouble: type[Exception]
    ) -> None:
        image = cast.ct()
        for keyword, value in changes.items():
            setattr(image, keyword, value)
        pictures = saved(image, tmp_path)
        with pytest.raises(trouble):
            pictures.decoded(0, raw=False)

    def test_a_frame_that_is_larger_than_its_image_says_is_not_decoded(self, tmp_path: Path) -> None:
        """A codestream of some hundred bytes may say that it is 60,000 x 60,000."""
        from pydicom.encaps import encapsulate

        image = cast.ct()
        out = BytesIO()
        Pillow.new("I;16", (image.Columns, image.Rows)).save(out, "JPEG2000", no_jp2=True)
        frame = out.getvalue()
        image.file_meta.TransferSyntaxUID = JPEG2000Lossless
        image.PixelData = encapsulate([frame])
        image["PixelData"].VR = "OB"
        assert saved(image, tmp_path).decoded(0, raw=True).shape == (image.Rows, image.Columns)
        image.PixelData = encapsulate([frame[:8] + (60_000).to_bytes(4, "big") * 2 + frame[16:]])
        with pytest.raises(Undecodable, match="Unsound"):
            saved(image, tmp_path).decoded(0, raw=True)

    def test_a_frame_that_there_is_not(self, tmp_path: Path) -> None:
        pictures = saved(cast.ct(), tmp_path)
        for frame in (-1, 1, 99):
            with pytest.raises(NoFrame):
                pictures.stored(frame)

    def test_fragments_without_a_table_are_not_guessed(self, tmp_path: Path) -> None:
        from pydicom.encaps import encapsulate

        image = cast.ct()
        image.compress(RLELossless, generate_instance_uid=False)
        image.NumberOfFrames = 2
        image.PixelData = encapsulate([bytes(64)] * 3, has_bot=False)
        with pytest.raises(Undecodable):
            saved(image, tmp_path).stored(0)

    @pytest.mark.parametrize("has_bot", [True, False])
    def test_a_frame_in_several_fragments(self, tmp_path: Path, has_bot: bool) -> None:
        from pydicom.encaps import encapsulate

        image = cast.ct()
        image.compress(RLELossless, generate_instance_uid=False)
        whole = saved(image, tmp_path).stored(0)
        image.NumberOfFrames = count = 2 if has_bot else 1
        image.PixelData = encapsulate([whole] * count, fragments_per_frame=3, has_bot=has_bot)
        pictures = saved(image, tmp_path)
        assert [pictures.stored(one)[: len(whole)] for one in range(count)] == [whole] * count

    @pytest.mark.parametrize(
        ("inner", "syntax", "name", "count", "leaves"),
        [
            ("application/octet-stream", "", "CT_small.dcm", 1, "application/octet-stream"),
            ("application/octet-stream", EXPLICIT, "JPEG2000.dcm", 1, "application/octet-stream"),
            ("application/octet-stream", "*", "JPEG2000.dcm", 1, "application/octet-stream"),
            ("application/octet-stream", JPEGBaseline8Bit, "CT_small.dcm", 1, None),
            ("image/jp2", "", "JPEG2000.dcm", 1, "image/jp2"),
            ("image/jp2", "1.2.840.10008.1.2.4.91", "JPEG2000.dcm", 1, "image/jp2"),
            ("image/jp2", "1.2.840.10008.1.2.4.90", "JPEG2000.dcm", 1, None),
            ("image/jp2", "", "CT_small.dcm", 1, None),
            ("image/dicom-rle", "", "emri_small_RLE.dcm", 2, "image/dicom-rle"),
        ],
    )
    def test_ways_out(self, inner: str, syntax: str, name: str, count: int, leaves: str | None) -> None:
        way = frames.way_of([Choice(Form(RELATED, inner), syntax)], pictures_of(example(name)), count)
        assert (way.inner if way else None) == leaves

    def test_several_frames_are_no_single_part(self) -> None:
        choice = Choice(Form("application/octet-stream"))
        assert frames.way_of([choice], pictures_of(example("emri_small_RLE.dcm")), 2) is None

    def test_compressed_bulk_is_decoded(self) -> None:
        path = example("SC_rgb_rle_2frame.dcm")
        value = bulk.found(pictures_of(path).image, "7FE00010")
        assert value is not None
        assert b"".join(bulk.pieces(value)) == pixel_array(path, raw=True).tobytes()


class TestDrawn:
    def test_what_a_window_shows(self, tmp_path: Path) -> None:
        image = cast.ct()
        pictures = saved(image, tmp_path)
        shown = picture(pictures, Look(Window(40, 400)))
        values = image.pixel_array.astype(float) - 1024
        wanted = np.clip((values - 39.5) / 399 + 0.5, 0, 1) * 255
        assert shown.shape == (64, 64)
        assert np.abs(shown - wanted).max() <= 0.5

    def test_an_image_s_own_window(self, tmp_path: Path) -> None:
        image = cast.ct()
        image.WindowCenter, image.WindowWidth = ["40", "400"], ["400", "2000"]
        shown = picture(saved(image, tmp_path))
        assert (shown == picture(saved(cast.ct(), tmp_path), Look(Window(40, 400)))).all()
        image.VOILUTFunction = "SIGMOID"
        other = picture(saved(image, tmp_path))
        assert (other == picture(saved(cast.ct(), tmp_path), Look(Window(40, 400, "SIGMOID")))).all()

    def test_monochrome1_is_white_at_the_bottom(self, tmp_path: Path) -> None:
        image = cast.ct()
        plain = picture(saved(image, tmp_path))
        image.PhotometricInterpretation = "MONOCHROME1"
        assert (picture(saved(image, tmp_path)) == 255 - plain).all()

    def test_tables_come_before_windows(self, tmp_path: Path) -> None:
        image = cast.ct()
        values = image.pixel_array
        modality, voi = Dataset(), Dataset()
        modality.LUTDescriptor, modality.ModalityLUTType = [4096, 0, 16], "US"
        modality.LUTData = _words(range(0, 8192, 2))
        image.ModalityLUTSequence = [modality]
        image.WindowCenter, image.WindowWidth = "4096", "8192"
        shown = picture(saved(image, tmp_path))
        assert np.abs(shown - np.clip((2.0 * values - 4095.5) / 8191 + 0.5, 0, 1) * 255).max() <= 0.5
        del image.ModalityLUTSequence, image.RescaleIntercept, image.RescaleSlope
        voi.LUTDescriptor, voi.LUTData = [4096, 0, 16], _words(range(4095, -1, -1))
        image.VOILUTSequence = [voi]
        shown = picture(saved(image, tmp_path))
        looked = 4095.0 - values
        wanted = (looked - looked.min()) / (looked.max() - looked.min()) * 255
        assert np.abs(shown - wanted).max() <= 0.5

    @pytest.mark.parametrize(
        "name", ["examples_ybr_color.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle_2frame.dcm"]
    )
    def test_colours_leave_as_rgb(self, name: str) -> None:
        path = example(name)
        theirs = pixel_array(path, index=0)
        assert (picture(pictures_of(path)) == theirs).all()

    def test_a_palette(self) -> None:
        from pydicom.pixels import apply_color_lut

        path = example("examples_palette.dcm")
        image = dcmread(path)
        wanted = apply_color_lut(image.pixel_array, image)
        shown = picture(pictures_of(path))
        assert shown.shape == wanted.shape
        assert np.abs(shown.astype(int) - (wanted >> 8 if wanted.max() > 255 else wanted)).max() <= 1

    def test_frames_have_windows_of_their_own(self) -> None:
        pictures = pictures_of(example("eCT_Supplemental.dcm"))
        assert pictures.count == 2
        shown = [picture(pictures, frame=one) for one in range(2)]
        assert all(one.std() > 10 for one in shown)

    @pytest.mark.parametrize(
        ("viewport", "size"),
        [
            (Viewport(32, 32), (32, 32)),
            (Viewport(200, 100), (100, 100)),
            (Viewport(16, 16, (0, 0, 32, 64)), (8, 16)),
            (Viewport(16, 16, (32, 32, 0, 0)), (16, 16)),
            (Viewport(64, 64, (60, 60, 100, 100)), (64, 64)),
        ],
    )
    def test_a_viewport_keeps_proportions(
        self, tmp_path: Path, viewport: Viewport, size: tuple[int, int]
    ) -> None:
        drawn = rendered.drawn(saved(cast.ct(), tmp_path), 0, Look(viewport=viewport), PNG)
        assert Pillow.open(BytesIO(drawn)).size == size

    def test_a_negative_side_turns_it_over(self, tmp_path: Path) -> None:
        pictures = saved(cast.ct(), tmp_path)
        plain = picture(pictures)
        assert (picture(pictures, Look(viewport=Viewport(64, 64, (0, 0, -64, 64)))) == plain[:, ::-1]).all()
        assert (picture(pictures, Look(viewport=Viewport(64, 64, (0, 0, 64, -64)))) == plain[::-1]).all()

    def test_a_viewport_outside_of_the_image(self, tmp_path: Path) -> None:
        with pytest.raises(rendered.Senseless):
            rendered.drawn(saved(cast.ct(), tmp_path), 0, Look(viewport=Viewport(9, 9, (64, 0, 9, 9))), PNG)

    def test_what_is_too_large_is_not_drawn(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rendered, "MOST_PIXELS", 64 * 63)
        with pytest.raises(Undecodable):
            rendered.drawn(saved(cast.ct(), tmp_path), 0, Look(), PNG)

    def test_quality_costs_bytes(self, tmp_path: Path) -> None:
        pictures = saved(cast.ct(), tmp_path)
        small, large = (len(rendered.drawn(pictures, 0, Look(quality=one), JPEG)) for one in (10, 100))
        assert small < large / 2


@pytest.mark.django_db
class TestDoors:
    def test_frames_over_http(self, shelf: Shelf) -> None:
        path = shelf.path_of(shelf.rows()[0])
        pixels = dcmread(_file(shelf)).PixelData
        [(media, content)] = parts(shelf.get(f"{path}/frames/1"))
        assert (media, content) == (f"application/octet-stream; transfer-syntax={EXPLICIT}", pixels)
        alone = shelf.get(f"{path}/frames/1", "application/octet-stream")
        assert alone.getvalue() == pixels
        for wrong, status in (("0", 400), ("1,,1", 400), ("2", 404), ("1,2", 404), ("99999999999", 400)):
            assert shelf.get(f"{path}/frames/{wrong}").status_code == status
        assert shelf.get(f"{path}/frames/1", 'multipart/related; type="image/jp2"').status_code == 406

    def test_several_frames_in_the_order_that_was_asked_for(self, shelf: Shelf) -> None:
        path = shelf.path_of(shelf.rows()[0])
        assert len(parts(shelf.get(f"{path}/frames/1,1,1"))) == 3

    def test_compressed_frames(self, site: Site) -> None:
        native = received(site, RLELossless)
        only = Shelf(site, {})
        path = only.path_of(only.rows()[0])
        [(media, content)] = parts(only.get(f"{path}/frames/1", 'multipart/related; type="image/dicom-rle"'))
        assert media == f"image/dicom-rle; transfer-syntax={RLELossless}"
        assert pictures_of(_file(only)).stored(0) == content
        [(media, content)] = parts(only.get(f"{path}/frames/1", 'multipart/related; type="*/*"'))
        assert content == native.astype("<u2").tobytes()

    def test_what_cannot_be_decoded_is_there_as_it_is_stored(self, site: Site) -> None:
        received(site, RLELossless)
        only = Shelf(site, {})
        path, data = only.path_of(only.rows()[0]), bytearray(_file(only).read_bytes())
        at = data.rindex(b"\xfe\xff\x00\xe0") + 8
        data[at : at + 4] = b"\x0f\0\0\0"  # as many segments as there can be
        _file(only).write_bytes(data)
        answer = only.get(path, "application/dicom")
        assert (answer.status_code, json.loads(answer.getvalue())["code"]) == (406, "not-acceptable")
        assert only.get(path, "application/dicom; transfer-syntax=*").getvalue() == data

    def test_pictures_over_http(self, shelf: Shelf) -> None:
        rows = shelf.rows()
        series = f"studies/{shelf.study.uid}/series/{rows[0].series.uid}"
        for path in (
            f"studies/{shelf.study.uid}",
            series,
            shelf.path_of(rows[0]),
            f"{shelf.path_of(rows[0])}/frames/1",
        ):
            for kind in ("rendered", "thumbnail"):
                answer = shelf.get(f"{path}/{kind}")
                assert (answer.status_code, answer.headers["Content-Type"]) == (200, JPEG)
                assert Pillow.open(BytesIO(answer.getvalue())).size == (
                    (128, 128) if kind == "thumbnail" else (64, 64)
                )
        answer = shelf.get(f"{shelf.path_of(rows[0])}/rendered?window=40,400,linear&viewport=20,20", PNG)
        assert Pillow.open(BytesIO(answer.getvalue())).format == "PNG"
        assert shelf.get(f"{shelf.path_of(rows[0])}/rendered?window=wide").status_code == 400
        assert shelf.get(f"{shelf.path_of(rows[0])}/rendered", "video/mp4").status_code == 406
        assert shelf.get(f"{shelf.path_of(rows[0])}/frames/2/rendered").status_code == 404

    def test_several_pictures(self, shelf: Shelf) -> None:
        several = f'multipart/related; type="{PNG}"'
        got = parts(shelf.get(f"studies/{shelf.study.uid}/rendered", several))
        assert [media for media, _ in got] == [PNG] * 3
        assert len(parts(shelf.get(f"{shelf.path_of(shelf.rows()[0])}/rendered", several))) == 1

    def test_the_ward_s_pictures_leave_a_mark(self, shelf: Shelf) -> None:
        assert shelf.get(f"studies/{PLAN.uid}/rendered", node="WARD").status_code == 200
        path = f"studies/{PLAN.uid}/series/{PLAN.series_uid(1)}/instances/{PLAN.sop_uid(1)}"
        assert len(parts(shelf.get(f"{path}/frames/1", node="WARD"))) == 1
        marks = Entry.objects.filter(action="identity.instance-restored")
        assert [one.detail["instances"] for one in marks] == [1, 1]


def _file(shelf: Shelf) -> Path:
    return file_of(shelf.rows()[0])


def test_explicit_is_what_frames_leave_in() -> None:
    assert str(ExplicitVRLittleEndian) == EXPLICIT
