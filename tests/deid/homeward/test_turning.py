"""What stands in a result, wherever it hides, and how it is turned back: encodings, dates, characters, bad input."""

import time
from collections.abc import Mapping
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from proxy.deid import (
    Clean,
    Engine,
    Limits,
    TooLarge,
    Unreadable,
    WrongSeal,
    deidentify,
    load_recipe,
    make_meta,
    seal,
)
from proxy.deid.homeward import (
    Level,
    Mentions,
    Originals,
    Parts,
    Unfit,
    learn,
    level_of,
    mentions,
    parts_of,
    restored,
)
from proxy.deid.identifiers import map_uid
from proxy.deid.splice import encode_element, item
from tests.deid.build import BIG_ENDIAN, EXPLICIT, IMPLICIT, SUBJECT, ct, encoded

DEFLATED = "1.2.840.10008.1.2.1.99"
SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
ENGINES = {name: Engine(load_recipe(name)) for name in ("basic", "research")}
LIMITS = Limits()
SR = "1.2.840.10008.5.1.4.1.1.88.33"


def ours(uid: str) -> str:
    return map_uid(SUBJECT.uid_key, uid)


def result() -> Dataset:
    """It refers to the image of `ct()`."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = SR, generate_uid(), generate_uid()
    ds.StudyInstanceUID, ds.PatientID, ds.PatientName = (
        ours("1.2.3.4.5"),
        SUBJECT.pseudonym,
        SUBJECT.pseudonym,
    )
    ds.Modality, ds.ContentDate = "SR", "20260304"
    ds.PatientIdentityRemoved = "YES"
    ds.ReferencedInstanceSequence = Sequence([Dataset()])
    ds.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID = ours("1.2.3.4.5.1")
    return ds


def sealed(original: Dataset, engine: str = "basic", syntax: str = EXPLICIT) -> Clean:
    return deidentify(encoded(original, syntax), syntax, ENGINES[engine], lambda facts: SUBJECT)


def known(clean: Clean, syntax: str = EXPLICIT) -> tuple[Originals, Level]:
    originals = Originals()
    opened = learn(originals, clean.seal, SUBJECT)
    header = b"".join(clean.rest)[: opened.header]
    return originals, level_of(
        opened, Parts(header, memoryview(b""), b"", syntax, syntax != IMPLICIT), SUBJECT
    )


def home(data: bytes, clean: Clean, syntax: str = EXPLICIT, of: str = EXPLICIT) -> Dataset:
    originals, level = known(clean, of)
    back = restored(parts_of(data, syntax, LIMITS), originals, level, "1.2.3.4.5")
    return dcmread(BytesIO(make_meta(SR, "1.2", syntax) + back))


def said(data: bytes, syntax: str = EXPLICIT) -> Mentions:
    return mentions(parts_of(data, syntax, LIMITS))


@pytest.mark.parametrize("of", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_result_has_its_patient_again_in_whatever_syntax(syntax: str, of: str) -> None:
    original = ct()
    original.OtherPatientIDsSequence = Sequence([Dataset()])
    original.OtherPatientIDsSequence[0].PatientID = "OLD-1"
    made = result()
    data = encoded(made, syntax)
    assert {ours("1.2.3.4.5"), ours("1.2.3.4.5.1")} <= said(data, syntax).uids
    back = home(data, sealed(original, syntax=of), syntax, of)
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "AccessionNumber",
                 "StudyID", "StudyDate", "ReferringPhysicianName", "OtherPatientIDsSequence"):  # fmt: skip
        assert back.get(name) == original.get(name), name
    assert back.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert "PatientIdentityRemoved" not in back
    assert (back.SOPInstanceUID, back.ContentDate) == (made.SOPInstanceUID, made.ContentDate)
    assert [element.tag for element in back] == sorted(element.tag for element in back)


def test_a_clean_file_that_was_touched_says_nothing_of_the_original() -> None:
    clean, opened = sealed(ct()), seal.read(sealed(ct()).seal)
    header = b"".join(clean.rest)[: opened.header].replace(b"ANON-", b"ANON+")
    with pytest.raises(WrongSeal):
        level_of(opened, Parts(header, memoryview(b""), b"", EXPLICIT, True), SUBJECT)


# --- dates ----------------------------------------------------------------------------------------


def dated() -> Dataset:
    """A date that stands in the images, moved; one that does not; one with a time."""
    ds = result()
    ds.SeriesDate, ds.ContentDate = "20191121", "20260304"  # a hundred days before 20200229
    ds.AcquisitionDateTime = "20191121101112.5+0100"
    return ds


def test_moved_dates_go_back_and_those_of_the_outside_stay() -> None:
    back = home(encoded(dated()), sealed(ct(), "research"))
    assert (back.SeriesDate, back.ContentDate) == ("20200229", "20260304")
    assert back.AcquisitionDateTime == "20200229101112.5+0100"


def test_a_date_that_no_recipe_moved_is_nobody_s() -> None:
    """The basic recipe removes dates: the same value is a coincidence then."""
    back = home(encoded(dated()), sealed(ct(), "basic"))
    assert (back.SeriesDate, back.AcquisitionDateTime) == ("20191121", "20191121101112.5+0100")


def test_what_the_original_does_not_say_is_not_kept_from_the_outside() -> None:
    original, made = ct(), result()
    del original.StudyID, original.AccessionNumber
    made.StudyID, made.AccessionNumber, made.PatientAddress = "made up", "made up", "made up"
    back = home(encoded(made), sealed(original))
    assert (back.StudyID, back.AccessionNumber) == ("", "")  # Type 2
    assert "PatientAddress" not in back


def test_whoever_had_no_name_gets_none() -> None:
    original = ct()
    del original.PatientName
    assert home(encoded(result()), sealed(original)).PatientName == ""


# --- character sets -------------------------------------------------------------------------------

NAMES = (("ISO_IR 100", "Müller^Zoë"), ("ISO_IR 144", "Люкceмбypг"), ("ISO_IR 192", "山田^太郎"),
         (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"), ("GB18030", "王^小东"))  # fmt: skip


@pytest.mark.parametrize("comment", ["plain", "größer"])
@pytest.mark.parametrize("theirs", ["ISO_IR 192", "ISO_IR 100", None])
@pytest.mark.parametrize(("charset", "name"), NAMES)
def test_a_name_comes_home_in_characters_that_the_result_can_hold(
    charset: str, name: str, theirs: str | None, comment: str
) -> None:
    if comment != "plain" and theirs is None:
        theirs = "ISO_IR 100"
    original, made = ct(), result()
    original.SpecificCharacterSet, original.PatientName = charset, name
    original.OtherPatientIDsSequence = Sequence([Dataset()])
    original.OtherPatientIDsSequence[0].PatientID = "Zoë" if charset == "ISO_IR 100" else "1"
    if theirs:
        made.SpecificCharacterSet = theirs
    made.SeriesDescription = comment
    back = home(encoded(made), sealed(original))
    assert str(back.PatientName) == name
    assert back.SeriesDescription == comment
    assert back.OtherPatientIDsSequence[0].PatientID == original.OtherPatientIDsSequence[0].PatientID


def test_items_with_character_sets_of_their_own_are_not_recoded_by_guess() -> None:
    original, made = ct(), result()
    original.SpecificCharacterSet, original.PatientName = "ISO_IR 144", "Люкceмбypг"
    made.SpecificCharacterSet, made.SeriesDescription = "ISO_IR 100", "größer"
    made.ReferencedInstanceSequence[0].SpecificCharacterSet = "ISO_IR 101"
    with pytest.raises(Unfit):
        home(encoded(made), sealed(original))


# --- where references hide ------------------------------------------------------------------------


def test_private_elements_text_and_hidden_sequences_are_turned_back() -> None:
    made, uid = result(), ours("1.2.3.4.5.1")
    block = made.private_block(0x0011, "OUTSIDE AI", create=True)
    block.add_new(0x01, "LO", uid)
    block.add_new(0x02, "UI", [uid, "1.2.840.10008.1.2"])
    block.add_new(0x03, "UN", uid.encode() + b"\0" * (len(uid) % 2))
    inner = encode_element(b"\x08\x00\x55\x11", "", uid.encode() + b"\0" * (len(uid) % 2))
    block.add_new(0x04, "UN", item(inner))
    block.add_new(0x05, "OB", b"\1\2\3\4")
    block.add_new(0x06, "UT", f"about {uid}")
    data = encoded(made)
    assert uid in said(data).uids
    back = home(data, sealed(ct()))
    block = back.private_block(0x0011, "OUTSIDE AI")
    assert (block[0x01].value, list(block[0x02].value)) == (
        "1.2.3.4.5.1",
        ["1.2.3.4.5.1", "1.2.840.10008.1.2"],
    )
    assert block[0x03].value.rstrip(b"\0") == b"1.2.3.4.5.1"
    assert b"1.2.3.4.5.1" in block[0x04].value
    assert uid.encode() not in block[0x04].value
    assert block[0x05].value == b"\1\2\3\4"
    assert block[0x06].value == f"about {uid}"  # within a sentence: said in docs/results.md


def test_what_stands_behind_the_pixels_is_read_too() -> None:
    made, uid = result(), ours("1.2.3.4.5.1")
    made.Rows = made.Columns = 2
    made.BitsAllocated, made.PixelData = 8, b"\0\1\2\3"
    made["PixelData"].VR = "OB"
    del made.ReferencedInstanceSequence
    made.add_new(0x7FE10010, "LO", "OUTSIDE AI")
    made.add_new(0x7FE11001, "UI", uid)
    data = encoded(made)
    assert uid in said(data).uids
    back = home(data, sealed(ct()))
    assert back[0x7FE11001].value == "1.2.3.4.5.1"
    assert back.PixelData == b"\0\1\2\3"


TREES = st.recursive(st.integers(0, 5), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=12)


def planted(tree: object, found: set[str]) -> Dataset:
    """A tree of sequences with a reference at each leaf."""
    ds = Dataset()
    if isinstance(tree, int):
        uid = f"1.2.3.4.5.{tree}"
        found.add(uid)
        ds.ReferencedSOPInstanceUID = ours(uid)
    elif isinstance(tree, list):
        ds.ReferencedSeriesSequence = Sequence([planted(one, found) for one in tree])
    return ds


@settings(max_examples=60)
@given(tree=TREES, syntax=st.sampled_from(SYNTAXES), is_open=st.booleans())
def test_every_reference_is_found_and_turned_back_at_every_depth(
    tree: object, syntax: str, is_open: bool
) -> None:
    found: set[str] = set()
    made = result()
    made.ReferencedSeriesSequence = Sequence([planted(tree, found)])
    made["ReferencedSeriesSequence"].is_undefined_length = is_open
    data = encoded(made, syntax)
    assert {ours(uid) for uid in found} <= said(data, syntax).uids
    originals, level = known(sealed(ct()))
    originals.uids.update((ours(uid).encode(), uid.encode()) for uid in found)
    parts = parts_of(data, syntax, LIMITS)
    back = dcmread(BytesIO(make_meta(SR, "1.2", syntax) + restored(parts, originals, level, "1.2.3.4.5")))
    there = [str(one.value) for one in back.iterall() if one.keyword == "ReferencedSOPInstanceUID"]
    assert set(there) == found | {"1.2.3.4.5.1"}


# --- bad input ------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = encode_element(b"\x08\x00\x15\x11", "SQ", item(body))
    return body


def test_deep_nesting_is_refused_and_not_followed() -> None:
    with pytest.raises(TooLarge):
        said(nested(500))


@pytest.mark.parametrize("cut", [1, 7, 50, 130])
def test_what_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(Unreadable):
        said(encoded(result())[:-cut])


def test_a_bomb_is_refused() -> None:
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b"\0" * (8 << 20)) + packer.flush()
    with pytest.raises(Unreadable):
        parts_of(bomb, DEFLATED, Limits(inflated=1 << 20))


def test_a_hundred_thousand_references_are_read_in_seconds() -> None:
    one = [
        item(encode_element(b"\x08\x00\x55\x11", "UI", f"2.25.{10**37 + number}\0".encode()))
        for number in range(100_000)
    ]
    data = encoded(result()) + encode_element(b"\x40\x00\x30\xa7", "SQ", b"".join(one))
    began = time.process_time()
    assert len(said(data).uids) > 90_000
    assert time.process_time() - began < 20


def test_promise_11_more_elements_than_fit_into_memory_are_refused() -> None:
    empty = encode_element(b"\x08\x00\x55\x11", "UI", b"")
    with pytest.raises(TooLarge, match="elements"):
        said(encoded(result()) + empty * 1_000_001)


def test_promise_8_no_repr_shows_anybody() -> None:
    clean = sealed(ct())
    originals, level = known(clean)
    shown: Mapping[str, object] = {"o": originals, "l": level, "m": said(encoded(result()))}
    assert "Example" not in repr(shown)
    assert "1.2.3.4.5" not in repr(shown)
