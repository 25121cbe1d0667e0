"""All options of PS3.15 Table E.1-1, alone and in pairs, and all its editions: every row does what its column says."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from proxy.deid import Clean, Engine, RecipeError, deidentify, load_recipe, restore
from proxy.deid.dictionary import vr_of
from proxy.deid.tables import EDITIONS, OPTIONS, method_codes, profile
from tests.deid.build import EXPLICIT, SUBJECT, ct, encoded, read

UID = "1.2.3.99.4"
# A value that each VR can hold, that no pattern and no needle cuts
VALUES = {
    "AE": "NODE", "AS": "042Y", "CS": "WORD", "DA": "20200229", "DS": "1.5", "DT": "20200229101112", "FD": 1.5,
    "FL": 1.5, "IS": "3", "LO": "words", "LT": "words", "OB": b"\1\2", "OW": b"\1\2", "OF": b"\0\0\x80\x3f",
    "PN": "Quennerstedt^Ulla", "SH": "words", "SL": 3, "SS": 3, "ST": "words", "TM": "101112", "UC": "words",
    "UI": UID, "UL": 3, "UN": b"\1\2", "UR": "urn:words", "US": 3, "UT": "words", "UV": 3,
}  # fmt: skip
CODES = {
    "clean-graphics": "113103", "clean-structured-content": "113104", "clean-descriptors": "113105",
    "full-dates": "113106", "modified-dates": "113107", "patient-characteristics": "113108", "device": "113109",
    "uids": "113110", "safe-private": "113111", "institution": "113112",
}  # fmt: skip
BINARY = frozenset(("OB", "OW", "OF", "UN"))
# Written anew whatever the table says, or decided by what they are
OURS = frozenset(
    (0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00080018, 0x0020000D)
)
NOT_HERE = frozenset((0x7FE00010, 0x00080016, 0x0020000E, 0x00080005, 0x0040A730))


def rows(edition: str) -> dict[int, dict[str, str]]:
    """Of one attribute each (not of a group), that the dictionary knows."""
    return {
        int(tag, 16): dict(row)
        for tag, row in profile(edition).items()
        if "X" not in tag and vr_of(int(tag, 16)) and int(tag, 16) not in NOT_HERE and int(tag[:4], 16) >= 8
    }


def everything(edition: str) -> Dataset:
    """Every attribute of the table, at the top level and inside a sequence that stays."""
    ds, inner = ct(), Dataset()
    for tag in rows(edition):
        vr = dictionary_VR(Tag(tag)).split(" ")[0]
        for place in (ds, inner):
            if tag in OURS and place is ds:
                continue
            place.add_new(tag, vr, Sequence([Dataset()]) if vr == "SQ" else VALUES[vr])
    ds.DimensionIndexSequence = Sequence([inner])  # in no row of the table
    return ds


def through(edition: str, *options: str) -> tuple[Dataset, Clean]:
    recipe = replace(
        load_recipe("basic"), edition=edition, options=frozenset(options), hunting=False,
        gates={"burned-in": "accept", "documents": "accept", "structured-reports": "clean"},
    )  # fmt: skip
    data = encoded(everything(edition))
    clean = deidentify(data, EXPLICIT, Engine(recipe), lambda facts: SUBJECT)
    out = b"".join(clean.rest)
    assert clean.holds == ()
    assert restore(out, EXPLICIT, clean.seal) == data
    return read(out, clean), clean


def fate(place: Dataset, tag: int) -> str:
    if tag not in place:
        return "X"
    element = place[tag]
    if element.VR == "SQ":
        return "K" if len(element.value) else "Z"
    if element.value in ("", None, b""):
        return "Z"
    return "K" if str(element.value) == str(VALUES[element.VR]) else "D"


def expected(row: dict[str, str], options: tuple[str, ...], vr: str) -> set[str]:
    """What may become of an attribute whose value is words, a number, a date ..."""
    return by_option({option for option in options if option in row}, row, vr) or by_basic(row["basic"], vr)


def by_option(said: set[str], row: dict[str, str], vr: str) -> set[str]:
    """Nothing where it goes the basic way: a maker's note in OB cannot be cleaned, an offset in SH not shifted."""
    if "modified-dates" in said and vr in ("DA", "DT"):
        return {"D"}
    kept = "modified-dates" in said and vr in ("TM", "SQ")
    kept = kept or any(row[option] == "K" for option in said)
    return {"K"} if kept or (said - {"modified-dates"} and vr not in BINARY) else set()


def by_basic(basic: str, vr: str) -> set[str]:
    if vr == "SQ":
        return {"X", "K"} if basic.startswith("U") else set("XZK")
    if basic in ("U", "K"):
        return {"D" if basic == "U" else "K"}
    # a dummy may be what stood there: 3, or the word itself
    return {"X", "Z", "D", "K"} & set(basic.replace("/", "").replace("U", "D") + "DZ")


def checked(ds: Dataset, edition: str, options: tuple[str, ...]) -> list[str]:
    wrong = []
    for tag, row in rows(edition).items():
        vr = dictionary_VR(Tag(tag)).split(" ")[0]
        allowed = expected(row, options, vr)
        for where, place in (("top", ds), ("nested", ds.DimensionIndexSequence[0])):
            if tag in OURS:
                continue
            found = fate(place, tag)
            if found not in allowed:
                wrong.append(f"{tag:08X} {vr} {where}: {row} became {found}, not {sorted(allowed)}")
    return wrong


def possible(*options: str) -> bool:
    return not {"full-dates", "modified-dates"} <= set(options)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_row_of_every_edition_holds(edition: str) -> None:
    ds, _ = through(edition)
    assert checked(ds, edition, ()) == []


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_alone_holds_and_is_claimed(option: str) -> None:
    ds, clean = through(EDITIONS[0], option)
    assert checked(ds, EDITIONS[0], (option,)) == []
    claimed = {code.CodeValue for code in ds.DeidentificationMethodCodeSequence}
    assert claimed == {"113100", CODES[option]} == set(clean.report.codes)
    assert claimed <= set(method_codes())


@pytest.mark.parametrize("pair", [pair for pair in combinations(OPTIONS, 2) if possible(*pair)], ids="+".join)
def test_options_hold_in_pairs(pair: tuple[str, str]) -> None:
    ds, _ = through(EDITIONS[0], *pair)
    assert checked(ds, EDITIONS[0], pair) == []
    claimed = {code.CodeValue for code in ds.DeidentificationMethodCodeSequence}
    assert claimed == {"113100", *(CODES[option] for option in pair)}


def test_dates_cannot_both_stay_and_move(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text("extends: basic\noptions: [full-dates, modified-dates]\n")
    with pytest.raises(RecipeError, match=r"both\.yaml"):
        load_recipe(str(path))


def test_editions_differ_in_what_they_do() -> None:
    """W14: a row that a later edition has is only kept out by that edition."""
    newest, oldest = profile(EDITIONS[0]), profile(EDITIONS[-1])
    later = [
        int(tag, 16)
        for tag in newest.keys() - oldest.keys()
        if "X" not in tag and vr_of(int(tag, 16)) == "LO"
    ]
    assert later
    tag = later[0]
    kept = {}
    for edition in (EDITIONS[0], EDITIONS[-1]):
        recipe = replace(load_recipe("basic"), edition=edition)
        ds = ct()
        ds.add_new(tag, "LO", "words")
        clean = deidentify(encoded(ds), EXPLICIT, Engine(recipe), lambda facts: SUBJECT)
        kept[edition] = b"words" in b"".join(clean.rest)
    assert kept == {EDITIONS[0]: False, EDITIONS[-1]: True}


def test_an_edition_nobody_has_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("extends: basic\nedition: 1999\n")
    with pytest.raises(RecipeError, match=r"old\.yaml:2"):
        load_recipe(str(path))
