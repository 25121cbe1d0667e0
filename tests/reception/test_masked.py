"""An ultrasound image whose banner is masked ends in the index, and names nobody; its original is in the seal."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from proxy.deid import original_syntax, restore, split
from proxy.quarantine.models import HeldItem
from proxy.reception import held
from proxy.routing.match import RouteFacts
from proxy.studies.models import Instance
from proxy.vault import seals
from tests import cast
from tests.reception.sending import command_for, encode, files, receive, send

pytestmark = pytest.mark.django_db
ROWS, COLUMNS = 480, 640


@pytest.fixture
def masking(route: RouteFacts, tmp_path: Path) -> RouteFacts:
    (tmp_path / "masked.yaml").write_text("extends: basic\nburned-in: mask\n")
    return replace(route, recipe=str(tmp_path / "masked.yaml"))


def ultrasound(manufacturer: str = "GE Healthcare", colour: bool = True) -> Dataset:
    picture = Image.new("RGB", (COLUMNS, ROWS), (0, 0, 40))
    ImageDraw.Draw(picture).text((8, 8), cast.ADA.name, fill=(255, 255, 255))
    out = BytesIO()
    (picture if colour else picture.convert("L")).save(out, "JPEG", quality=95)
    image = cast.ct()
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    image.Modality, image.Manufacturer = "US", manufacturer
    image.Rows, image.Columns, image.SamplesPerPixel = ROWS, COLUMNS, 3 if colour else 1
    image.PhotometricInterpretation = "YBR_FULL_422" if colour else "MONOCHROME2"
    if colour:
        image.PlanarConfiguration = 0
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelData = encapsulate([out.getvalue()])
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    return image


def test_a_masked_image_is_in_the_index_in_the_syntax_that_was_written(
    masking: RouteFacts, data: Path
) -> None:
    original = encode(ultrasound(), JPEGBaseline8Bit)
    assert receive(masking, original, command_for(ultrasound(), JPEGBaseline8Bit)).status == 0
    row = Instance.objects.get()
    image = dcmread(data / "studies" / row.path)
    assert not HeldItem.objects.exists()
    assert row.transfer_syntax == image.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert not image.pixel_array[:57].any() and image.pixel_array[58:].any()
    for path in data.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(form in content for needle in cast.NEEDLES for form in cast.spellings(needle))
    parts, seal = (
        split((data / "studies" / row.path).read_bytes()),
        seals.open_seal(masking.project_id, row.uid),
    )
    assert restore(bytes(parts.dataset), parts.syntax, seal) == original
    assert original_syntax(seal, parts.syntax) == JPEGBaseline8Bit


def test_the_same_image_again_is_as_once_also_when_it_comes_decompressed(masking: RouteFacts) -> None:
    assert send(masking, ultrasound(colour=False), JPEGBaseline8Bit) == 0
    assert send(masking, ultrasound(colour=False), JPEGBaseline8Bit) == 0
    assert not HeldItem.objects.exists()
    other = ultrasound(colour=False)
    other.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    other.decompress(generate_instance_uid=False)
    assert send(masking, other) == 0
    assert HeldItem.objects.get().code == "recompressed"
    assert held.compare_recompressed() == 1
    assert (Instance.objects.count(), HeldItem.objects.get().state) == (1, "duplicate")


def test_an_image_that_comes_again_leaves_no_second_large_seal(masking: RouteFacts, data: Path) -> None:
    image = ultrasound()
    noise = np.random.default_rng(7).integers(0, 255, (ROWS, COLUMNS, 3), "u1")
    image.PhotometricInterpretation, image.PixelData = "RGB", noise.tobytes()
    image["PixelData"].is_undefined_length = False
    assert send(masking, image) == 0
    once = files(data)
    assert len([name for name in once if name.endswith(".seal")]) == 1
    assert send(masking, image) == 0
    assert files(data) == once
    image.PatientComments = "not seen before"
    assert send(masking, image) == 0
    assert HeldItem.objects.get().code == "conflict"
    assert [name for name in files(data) if name.endswith(".seal")] == [
        name for name in once if name.endswith(".seal")
    ]


def test_an_unknown_device_is_held_and_passes_unmasked_when_a_person_has_looked(
    masking: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(masking, ultrasound("ACME"), JPEGBaseline8Bit) == 0
    item = HeldItem.objects.get()
    assert (item.code, item.transfer_syntax) == (
        "burned-in",
        JPEGBaseline8Bit,
    ) and not Instance.objects.exists()
    monkeypatch.setattr(held, "_facts", lambda _: (masking, None))
    held.release(item.pk, "ada")
    row = Instance.objects.get()
    image = dcmread(data / "studies" / row.path)
    assert row.transfer_syntax == JPEGBaseline8Bit
    assert np.array_equal(np.frombuffer(image.PixelData, "u1"), np.frombuffer(ultrasound().PixelData, "u1"))
