"""A masked image that comes home changed gets its pixels back, and what describes them, together or not at all."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid import Clean, make_meta, restore_elements
from tests.deid import test_masks
from tests.deid.build import EXPLICIT, encoded
from tests.deid.test_masks import BANNER, JPEG, RLE, jpeg, masked, pixels, rle, ultrasound

recipe = test_masks.recipe


def outside(out: bytes, clean: Clean) -> Dataset:
    """Somebody read it and wrote something into it."""
    ds = dcmread(BytesIO(clean.meta + out))
    ds.ContentLabel = "SEEN"
    return ds


@pytest.mark.parametrize(("syntax", "encode"), [(EXPLICIT, None), (RLE, rle), (JPEG, jpeg)])
@pytest.mark.parametrize("said", ["YES", None])
def test_the_pixels_come_back_in_their_own_transfer_syntax(
    recipe: Path, syntax: str, encode: Any, said: str | None
) -> None:
    ds = encode(ultrasound()) if encode else ultrasound()
    if said is None:
        del ds.BurnedInAnnotation
    data, out, clean = masked(ds, recipe, syntax)
    home = restore_elements(
        encoded(outside(out, clean), clean.transfer_syntax), clean.transfer_syntax, clean.seal
    )
    assert home.transfer_syntax == syntax and (home.left, home.lost) == (0, 0)
    assert np.array_equal(pixels(home.data, syntax), pixels(data, syntax))
    back = _read(home.data, syntax)
    assert back.PhotometricInterpretation == ds.PhotometricInterpretation
    assert (
        back.get("BurnedInAnnotation") == said and back.ContentLabel == "SEEN" and back.PatientID == "AE-4711"
    )


def test_pixels_that_were_changed_outside_keep_their_own_description(recipe: Path) -> None:
    _, out, clean = masked(jpeg(ultrasound()), recipe, JPEG)
    ds = outside(out, clean)
    changed = ds.pixel_array.copy()
    changed[50:60] = 255
    ds.PixelData = changed.tobytes()
    home = restore_elements(encoded(ds, EXPLICIT), EXPLICIT, clean.seal)
    back = _read(home.data, EXPLICIT)
    assert home.transfer_syntax == EXPLICIT and back.PatientID == "AE-4711"
    assert (back.PhotometricInterpretation, back.BurnedInAnnotation) == ("RGB", "NO")
    assert np.array_equal(back.pixel_array, changed) and not back.pixel_array[:BANNER].any()


def _read(data: bytes, syntax: str) -> Dataset:
    return dcmread(BytesIO(make_meta("1.2", "1.2", syntax) + data))
