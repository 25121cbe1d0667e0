"""The DICOM JSON Model: values as JSON wants them, and what an encoded data set says, judged by pydicom."""

import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from proxy.dicomweb import model
from proxy.dicomweb.giving import metadata, sources
from proxy.dicomweb.giving.encoded import Broken, at_path, walk
from proxy.network.giving import Offer
from proxy.network.identifier import Element
from tests import cast


@pytest.mark.parametrize(
    ("vr", "text", "attribute"),
    [
        ("LO", "", {"vr": "LO"}),
        ("LO", "CT\\", {"vr": "LO", "Value": ["CT", None]}),
        ("CS", "CT\\MR", {"vr": "CS", "Value": ["CT", "MR"]}),
        ("PN", "Doe^Jane", {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}),
        (
            "PN",
            "A^B=山田=やまだ",
            {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "山田", "Phonetic": "やまだ"}]},
        ),
        ("PN", "=山田", {"vr": "PN", "Value": [{"Ideographic": "山田"}]}),
        ("PN", "", {"vr": "PN"}),
        ("IS", "007", {"vr": "IS", "Value": [7]}),
        ("IS", "1_0", {"vr": "IS", "Value": ["1_0"]}),
        ("IS", "seven", {"vr": "IS", "Value": ["seven"]}),
        ("DS", "1.50\\2e3\\ 4", {"vr": "DS", "Value": [1.5, 2000.0, 4]}),
        ("DS", "nan", {"vr": "DS", "Value": ["nan"]}),
        ("DS", "1e999", {"vr": "DS", "Value": ["1e999"]}),
        ("US", "512", {"vr": "US", "Value": [512]}),
        ("LT", "a\\b", {"vr": "LT", "Value": ["a\\b"]}),
    ],
)
def test_texts(vr: str, text: str, attribute: dict[str, Any]) -> None:
    assert model.texts(vr, text) == attribute


@given(st.sampled_from(("DS", "IS", "PN", "LO", "DA", "UI", "LT", "US")), st.text(max_size=40))
def test_whatever_a_text_is_json_holds_it(vr: str, text: str) -> None:
    made = model.encoded({"00100010": model.texts(vr, text)})
    assert json.loads(made)["00100010"]["vr"] == vr


def test_answers_are_in_the_order_of_their_tags() -> None:
    items = ((Element(0x00080100, "SH", "CT1"),), ())
    made = model.of_elements([Element(0x0020000D, "UI", "1.2"), Element(0x00081032, "SQ", "", items)])
    assert list(made) == ["00081032", "0020000D"]
    assert made["00081032"] == {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["CT1"]}}, {}]}


@pytest.mark.parametrize("piece", [1, 100, 1 << 16])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_an_array_is_made_piece_by_piece(count: int, piece: int) -> None:
    some = [{"00200013": {"vr": "IS", "Value": [one]}} for one in range(count)]
    pieces = list(model.array(iter(some), piece))
    assert json.loads(b"".join(pieces)) == some


# --- data sets ----------------------------------------------------------------------------------------


def where(path: Any) -> str:
    return "/".join(str(one) if place % 2 else f"{one:08X}" for place, one in enumerate(path))


def said(data: bytes, *, explicit: bool = True) -> dict[str, Any]:
    view = memoryview(data)
    found: dict[str, Any] = json.loads(
        model.encoded(metadata.dataset(view, walk(view, 0, explicit=explicit), where))
    )
    return found


def encoded(image: Dataset, *, implicit: bool = False) -> bytes:
    out = BytesIO()
    dcmwrite(out, image, implicit_vr=implicit, little_endian=True)
    return out.getvalue()


def rich() -> Dataset:
    """Something of every kind."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.ImageType = ["ORIGINAL", "", "AXIAL"]
    made.PatientName = "Schädel^Änne"
    made.PatientID = ""
    made.PatientWeight = "71.5"
    made.SeriesNumber = "3"
    made.ImagePositionPatient = ["-1.5", "0", "1e-3"]
    made.Rows, made.PixelRepresentation = 3, 1
    made.SmallestImagePixelValue = -7
    made.FrameIncrementPointer = 0x00181063
    made.RealWorldValueSlope = 0.1
    made.ImageComments = "one\\ two "
    inner = Dataset()
    inner.CodeValue = "CT1"
    deep = Dataset()
    deep.ProcedureCodeSequence = [inner, Dataset()]
    made.RequestAttributesSequence = [deep]
    made.ReferencedImageSequence = []
    made.add_new(0x00091001, "UN", b"\x01\x02\x03\x04")
    made.add_new(0x00420011, "OB", bytes(3000))
    made.PixelData = bytes(18)
    made["PixelData"].VR = "OW"
    return made


@pytest.mark.parametrize("implicit", [False, True])
def test_a_data_set_says_the_same_as_pydicom_s(implicit: bool) -> None:
    image = rich()
    assert same(image, said(encoded(image, implicit=implicit), explicit=not implicit))


def same(image: Dataset, mine: dict[str, Any]) -> bool:
    """But for texts that pydicom pads, and floats that it makes of whole decimals."""
    theirs = image.to_json_dict(
        bulk_data_threshold=metadata.INLINE,
        bulk_data_element_handler=lambda _: "BULK",
        suppress_invalid_tags=True,
    )
    for key, value in theirs.items():
        if key in ("7FE00010", "00080005") or key.endswith("0000"):
            continue
        assert _plain(mine[key]) == _plain(value), key
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _plain(one) for key, one in value.items()}
        if "BulkDataURI" in kept:
            kept["BulkDataURI"] = "BULK"
        if kept.get("Value") == []:
            del kept["Value"]
        return kept
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return value.strip(" \0") or None
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "rtplan.dcm", "rtdose.dcm", "examples_jpeg2k.dcm",
        "JPEG2000.dcm", "SC_rgb_rle.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm", "liver_1frame.dcm",
        "test-SR.dcm", "nested_priv_SQ.dcm", "color-pl.dcm", "reportsi.dcm",
    ],
)  # fmt: skip
def test_files_of_all_kinds_say_the_same_as_pydicom_s(name: str) -> None:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    image = dcmread(path)
    offer = Offer("1.2", "1.2", image.file_meta.TransferSyntaxUID, Path(path))
    opened = sources.opened(offer)
    mine = json.loads(model.encoded(metadata.dataset(opened.data, opened.elements, where)))
    assert same(image, mine)


def test_long_values_have_addresses_and_lead_there() -> None:
    data = encoded(rich())
    mine = said(data)
    assert mine["00420011"] == {"vr": "OB", "BulkDataURI": "00420011"}
    assert mine["7FE00010"] == {"vr": "OW", "BulkDataURI": "7FE00010"}
    element = at_path(walk(memoryview(data), 0, explicit=True), (0x00420011,))
    assert element is not None
    assert element.end - element.at == 3000


def test_texts_are_in_unicode_and_say_so() -> None:
    mine = said(encoded(rich()))
    assert mine["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert mine["00100010"]["Value"] == [{"Alphabetic": "Schädel^Änne"}]


def test_what_json_has_no_number_for() -> None:
    made = Dataset()
    made.add_new(0x00189321, "FD", [math.nan, math.inf, -math.inf, 1.5])
    assert said(encoded(made))["00189321"]["Value"] == ["NaN", "Infinity", "-Infinity", 1.5]


@given(st.binary(max_size=300), st.booleans())
def test_noise_is_read_or_broken(data: bytes, explicit: bool) -> None:
    _try(data, explicit=explicit)


@given(st.data())
def test_an_image_with_any_byte_changed_is_read_or_broken(some: st.DataObject) -> None:
    data = bytearray(encoded(rich()))
    for _ in range(some.draw(st.integers(1, 4))):
        data[some.draw(st.integers(0, len(data) - 1))] = some.draw(st.integers(0, 255))
    _try(bytes(data[: some.draw(st.integers(1, len(data)))]), explicit=True)


def _try(data: bytes, *, explicit: bool) -> None:
    view = memoryview(data)
    try:
        found = sources.walked(view, 0, explicit)
    except Broken:
        return
    json.loads(model.encoded(metadata.dataset(view, found, where)))


def test_sequences_that_are_too_deep_are_broken() -> None:
    made = Dataset()
    for _ in range(70):
        outer = Dataset()
        outer.ReferencedImageSequence = [made]
        made = outer
    with pytest.raises(Broken):
        walk(memoryview(encoded(made)), 0, explicit=True)


def test_big_endian_is_turned_around_with_its_pixels(tmp_path: Path) -> None:
    image = cast.ct()
    native = image.pixel_array
    big = tmp_path / "big.dcm"
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    image.PixelData = native.astype(">u2").tobytes()
    dcmwrite(big, image, implicit_vr=False, little_endian=False, enforce_file_format=True)
    assert dcmread(big).pixel_array.tolist() == native.tolist()
    opened = sources.opened(Offer(image.SOPClassUID, image.SOPInstanceUID, ExplicitVRBigEndian, big))
    assert opened.syntax == ExplicitVRLittleEndian
    pixels = opened.find(0x7FE00010)
    assert pixels is not None
    assert bytes(opened.data[pixels.at : pixels.end]) == native.astype("<u2").tobytes()


def test_implicit_files_are_read(tmp_path: Path) -> None:
    image = cast.ct()
    path = tmp_path / "one.dcm"
    image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dcmwrite(path, image, implicit_vr=True, little_endian=True, enforce_file_format=True)
    opened = sources.opened(Offer(image.SOPClassUID, image.SOPInstanceUID, ImplicitVRLittleEndian, path))
    assert same(
        dcmread(path), json.loads(model.encoded(metadata.dataset(opened.data, opened.elements, where)))
    )
