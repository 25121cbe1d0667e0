"""With `ocr: true` masked pixels are read again: letters that are left, or no way to look, hold the image."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from proxy.deid import Engine, Limits, RecipeError, deidentify, load_recipe
from proxy.deid.masks import reading
from tests.deid.build import EXPLICIT, SUBJECT, encoded
from tests.deid.test_masks import BANNER, JPEG, RLE, Pixels, assert_held, jpeg, picture, rle, ultrasound


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "read.yaml").write_text("extends: basic\nburned-in: mask\nmasks: ours.yaml\nocr: true\n")
    (tmp_path / "ours.yaml").write_text(
        "entries:\n"
        "  - {name: small-ge, manufacturer: ^GE, modality: US, rows: 100, rectangles: [[0, 0, 100%, 12%]]}\n"
        "  - {name: big, manufacturer: ^Big, rows: 400, rectangles: [[0, 0, 100%, 10%]]}\n"
    )
    return Engine(load_recipe(str(tmp_path / "read.yaml")), Limits(reading=20))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Pixels]]:
    """A reader that finds nothing and remembers what it was shown."""
    pictures: list[Pixels] = []

    def texts(shown: Pixels) -> list[str]:
        pictures.append(shown)
        return ["12", ".."]

    with reader(monkeypatch, texts):
        yield pictures


class reader:  # noqa: N801 - used like a function
    def __init__(self, monkeypatch: pytest.MonkeyPatch, texts: reading.Texts) -> None:
        self.thread = ThreadPoolExecutor(1)
        monkeypatch.setattr(reading, "_made", lambda: (texts, self.thread))

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown()


def passed(ds: Dataset, engine: Engine, syntax: str = EXPLICIT) -> tuple[bytes, bytes, Any]:
    data = encoded(ds, syntax)
    clean = deidentify(data, syntax, engine, lambda facts: SUBJECT)
    return data, b"".join(clean.rest), clean


@pytest.mark.parametrize(("syntax", "encode"), [(EXPLICIT, None), (RLE, rle), (JPEG, jpeg)])
@pytest.mark.parametrize("colour", [True, False])
def test_every_frame_is_shown_to_the_reader_as_it_will_be_written(
    engine: Engine, seen: list[Pixels], syntax: str, encode: Any, colour: bool
) -> None:
    ds = ultrasound(frames=2, colour=colour)
    _, _, clean = passed(encode(ds) if encode else ds, engine, syntax)
    assert not clean.holds and clean.report.masked and len(seen) == 2
    assert all(shown.shape == (100, 160, 3) and shown.dtype == np.uint8 for shown in seen)
    assert not any(shown[:BANNER].any() for shown in seen)
    if syntax != JPEG:
        wanted = picture(colour)[BANNER:] if colour else picture(colour)[BANNER:, :, None].repeat(3, 2)
        assert all(np.array_equal(shown[BANNER:], wanted) for shown in seen)


@pytest.mark.parametrize(("syntax", "encode"), [(EXPLICIT, None), (RLE, rle)])
def test_sixteen_bits_are_stretched_over_what_a_reader_sees(
    engine: Engine, seen: list[Pixels], syntax: str, encode: Any
) -> None:
    ds = ultrasound(colour=False)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelData = (picture(False).astype("<u2") * 16).tobytes()
    ds["PixelData"].VR = "OW"
    _, _, clean = passed(encode(ds) if encode else ds, engine, syntax)
    assert not clean.holds
    assert set(seen[0].flat) == {
        0,
        255,
        90 * 255 // 200,
    }  # 0 (black), the ellipse (the brightest) and the field


@pytest.mark.parametrize("text", ["Ex", "7 A", "4711", "Ж", "Ω"])
def test_letters_that_are_left_hold_the_image_and_are_not_repeated(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with reader(monkeypatch, lambda _: ["1", text]):
        result = passed(ultrasound(), engine)
    assert_held(*result)
    assert result[2].holds[0].reason == "Letters can still be read in it after masking."


def test_a_reader_that_is_missing_fails_or_is_slow_holds_the_image(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> list[str]:
        raise ValueError("x")

    def slow(_: object) -> list[str]:
        time.sleep(0.4)
        return []

    with reader(monkeypatch, broken):
        assert_held(*passed(ultrasound(), engine))
    hurried = Engine(engine.recipe, Limits(reading=0.1))
    with reader(monkeypatch, slow):
        result = passed(ultrasound(), hurried)
    assert_held(*result)
    assert "longer than the limit" in result[2].holds[0].reason
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    reading._made.cache_clear()
    result = passed(ultrasound(), engine)
    assert_held(*result)
    assert "cannot be loaded" in result[2].holds[0].reason


@pytest.mark.timeout(600)
def test_the_real_reader_finds_the_name_that_an_entry_has_missed(engine: Engine) -> None:
    reading._made.cache_clear()
    hold = []
    for at in (8, 200):  # in the banner, and where no entry looks
        image = Image.new("L", (480, 400), 20)
        ImageDraw.Draw(image).text((12, at), "EXAMPLE ADA", fill=255, font_size=18)
        ds = ultrasound(colour=False, manufacturer="Big")
        ds.Rows, ds.Columns, ds.PixelData = 400, 480, np.array(image).tobytes()
        clean = passed(ds, engine)[2]
        hold.append([one.reason for one in clean.holds])
    assert hold == [[], ["Letters can still be read in it after masking."]]


def test_reading_again_is_asked_for_with_masks_only(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("extends: basic\nocr: true\n")
    with pytest.raises(RecipeError, match=r"r.yaml:2: ocr is used only with burned-in: mask"):
        load_recipe(str(path))
    path.write_text("extends: basic\nburned-in: mask\nocr: maybe\n")
    with pytest.raises(RecipeError, match=r"r.yaml:3: ocr is one of true, false"):
        load_recipe(str(path))
