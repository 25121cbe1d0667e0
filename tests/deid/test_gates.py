"""What must not pass by itself is held, with a reason and without a name."""

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from proxy.deid import Engine, Unreadable, deidentify, load_recipe
from proxy.deid.rules import tag_bytes
from tests.deid.build import BIG_ENDIAN, EXPLICIT, SUBJECT, cleaned, ct, encoded


def held(ds: Dataset, recipe: str = "basic") -> list[str]:
    _, clean = cleaned(ds, recipe)
    assert all(hold.reason.endswith(".") and "Example" not in hold.reason for hold in clean.holds)
    return [hold.code for hold in clean.holds]


def test_a_plain_ct_passes() -> None:
    assert held(ct()) == []


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BurnedInAnnotation", "YES"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7.2"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.6.1"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.3.1"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.77.1.4"),
        ("Modality", "US"),
        ("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"]),
        ("ConversionType", "WSD"),
        ("SeriesDescription", "Patient Protocol"),
        ("SeriesDescription", "Dose Report"),
    ],
)
def test_what_may_show_a_name_is_held(keyword: str, value: str) -> None:
    ds = ct()
    setattr(ds, keyword, value)
    assert held(ds) == ["burned-in"]


def test_documents_and_reports_are_held() -> None:
    ds = ct()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    assert held(ds) == ["document"]
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    assert held(ds) == ["structured-report"]


@pytest.mark.parametrize("uid", ["1.3.46.670589.5.0.1", "1.2.840.113619.4.30", "1.2.840.100080.1"])
@pytest.mark.parametrize("recipe", ["basic", "minimal"])
def test_a_private_class_is_held_by_every_recipe(uid: str, recipe: str) -> None:
    ds = ct()
    ds.SOPClassUID = uid
    assert held(ds, recipe) == ["private-class"]


def test_the_gate_speaks_before_the_pixels_have_come() -> None:
    ds = ct()
    ds.BurnedInAnnotation = "YES"
    data = encoded(ds)
    work = Engine(load_recipe("basic")).begin(EXPLICIT)
    work.feed(data[:-20])
    assert work.facts is not None and work.facts.patient_id == "AE-4711"
    assert [hold.code for hold in work.settle(SUBJECT)] == ["burned-in"]


def test_reprs_show_nobody() -> None:
    data = encoded(ct())
    work = Engine(load_recipe("basic")).begin(EXPLICIT)
    work.feed(data)
    clean = deidentify(data, EXPLICIT, Engine(load_recipe("basic")), lambda facts: SUBJECT)
    shown = f"{work.facts!r} {work!r} {clean!r} {clean.report!r} {SUBJECT!r}"
    assert "Example" not in shown and "4711" not in shown and "kkkk" not in shown


def test_a_directory_is_not_passed() -> None:
    data = encoded(ct())
    without = data[: data.index(b"\x08\x00\x16\x00")] + data[data.index(b"\x08\x00\x18\x00") :]
    clean = deidentify(without, EXPLICIT, Engine(load_recipe("basic")), lambda facts: SUBJECT)
    assert [hold.code for hold in clean.holds] == ["no-class"]


MAY_SHOW = (
    ("BurnedInAnnotation", "YES"),
    ("Modality", "US"),
    ("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"]),
    ("ConversionType", "WSD"),
    ("SeriesDescription", "Patient Protocol"),
)
PIXELS = b"\xe0\x7f\x10\x00"


def element(keyword: str, value: object) -> bytes:
    """As it is encoded in a data set that has it."""
    ds = ct()
    setattr(ds, keyword, value)
    data, tag = encoded(ds), tag_bytes(tag_for_keyword(keyword) or 0)
    at = data.index(tag)
    return data[at : at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")]


def codes(data: bytes, recipe: str = "basic") -> list[str]:
    clean = deidentify(data, EXPLICIT, Engine(load_recipe(recipe)), lambda facts: SUBJECT)
    return [hold.code for hold in clean.holds]


@pytest.mark.parametrize(("keyword", "value"), MAY_SHOW)
def test_promise_1_what_stands_behind_the_pixels_passes_no_gate(keyword: str, value: object) -> None:
    """A reader takes it for a part of the header; no gate had seen it when the pixels came."""
    assert codes(encoded(ct()) + element(keyword, value)) == ["disorder"]


@pytest.mark.parametrize("recipe", ["research", "limited", "minimal"])
def test_promise_1_a_name_behind_the_pixels_is_hunted_nowhere_so_it_is_held(recipe: str) -> None:
    ds = ct()
    ds.StudyDescription = "of Quince^Bertha"
    assert codes(encoded(ds) + element("PatientName", "Quince^Bertha"), recipe) == ["disorder"]


@pytest.mark.parametrize(("keyword", "value"), MAY_SHOW)
def test_promise_1_two_values_of_which_a_reader_believes_the_other_pass_no_gate(
    keyword: str, value: object
) -> None:
    ds = ct()
    if keyword not in ds:
        setattr(ds, keyword, "NO")
    data = encoded(ds)
    at = data.index(PIXELS)
    assert codes(data[:at] + element(keyword, value) + data[at:]) == ["disorder"]


def test_the_same_said_twice_is_said_once() -> None:
    data = encoded(ct())
    at = data.index(PIXELS)
    assert codes(data[:at] + element("Modality", "CT") + data[at:]) == []


def test_what_belongs_behind_the_pixels_may_stand_there() -> None:
    ds = ct()
    ds.add_new(0xFFFCFFFC, "OB", bytes(8))
    assert codes(encoded(ds)) == []


def test_one_yes_of_several_is_a_yes() -> None:
    ds = ct()
    ds.add_new(0x00280301, "CS", ["NO", "YES"])
    assert held(ds) == ["burned-in"]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImageType", ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]),
        ("SpecimenLabelInImage", "YES"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.9.4.1"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.9.4.2"),
    ],
)
def test_promise_1_a_label_and_a_voice_may_name_somebody(keyword: str, value: str) -> None:
    ds = ct()
    setattr(ds, keyword, value)
    assert held(ds) == ["burned-in"]


@pytest.mark.parametrize("group", [0x6000, 0x6002, 0x60FE])
def test_promise_1_an_overlay_in_the_bits_of_the_pixels_is_held(group: int) -> None:
    """Its attributes go, and what it has drawn would stay."""
    ds = ct()
    ds.add_new(group << 16 | 0x0102, "US", 12)
    assert held(ds) == ["overlay"]
    ds[group << 16 | 0x0102].value = 0
    assert held(ds) == []


@pytest.mark.parametrize("vr", [b"US", b"LO", b"UI", b"UL"])
def test_promise_1_pixels_of_a_vr_that_they_cannot_have_are_refused(vr: bytes) -> None:
    """The value of a short one would be taken for a length, and what follows it for pixels."""
    data = encoded(ct())
    head, hidden = data[: data.index(PIXELS)], b"\xe1\x7f\x10\x10LO\x06\x00Quince"
    bad = head + PIXELS + vr + b"\x04\x00" + len(hidden).to_bytes(4, "little") + hidden
    with pytest.raises(Unreadable):
        codes(bad)


def test_two_kinds_of_pixels_are_refused_in_big_endian_too() -> None:
    """The second would be lost."""
    data = encoded(ct(), BIG_ENDIAN)
    at = data.index(b"\x7f\xe0\x00\x10")
    bad = data[:at] + b"\x7f\xe0\x00\x08OF\0\0\0\0\0\x04\0\0\0\0" + data[at:]
    with pytest.raises(Unreadable):
        deidentify(bad, BIG_ENDIAN, Engine(load_recipe("basic")), lambda facts: SUBJECT)
