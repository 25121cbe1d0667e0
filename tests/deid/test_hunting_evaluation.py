"""How often the hunt cuts what names nobody, and how often it misses who is there: on descriptions as they are.

The patients are called like parts of the body, months and directions, which is the hardest case for both figures.
"""

from itertools import product
from pathlib import Path

import pytest

from proxy.deid.needles import Needles, needles
from proxy.deid.text import cut

DESCRIPTIONS = (Path(__file__).parent / "data" / "descriptions.txt").read_text(encoding="utf-8").splitlines()
CLINICAL = (
    "Head^Mary",
    "Long^Tom",
    "Green^Chest",
    "Bauch^Anna",
    "Kopf^Karl",
    "Hand^Jo",
    "May^Will",
    "Brain^Ann",
    "Knie^Li",
)
PLAIN = (
    "Müller^Zoë",
    "O'Neill^Siobhán",
    "Smith-Jones^Mary Anne",
    "Nguyen^Thi Mai",
    "Wang^Wei",
    "Żółty^Łukasz",
    "Dupont^Jean-Luc",
)
UTF_8 = b"ISO_IR 192"


def own(*values: tuple[str, str]) -> Needles:
    return needles(tuple((kind, value.encode()) for kind, value in values), UTF_8)


def test_descriptions_that_name_nobody_survive() -> None:
    changed = []
    for patient in CLINICAL:
        person = own(("name", patient), ("id", "AE-4711"), ("date", "19610427"))
        first = {part.casefold() for part in patient.replace("-", "^").split("^")}
        for text in DESCRIPTIONS:
            if cut(text, person, True) != text and not first & set(text.casefold().split()):
                changed.append((patient, text, cut(text, person, True)))
    share = len(changed) / len(DESCRIPTIONS) / len(CLINICAL)
    print(f"false cuts: {share:.2%} of {len(DESCRIPTIONS)} descriptions for {len(CLINICAL)} patients")
    assert share < 0.005, changed


def test_words_that_are_names_too_stay_when_they_are_clinical() -> None:
    lost = [
        text
        for patient in CLINICAL
        for text in DESCRIPTIONS
        if cut(text, own(("name", patient)), True) != text
    ]
    assert len(lost) / len(DESCRIPTIONS) / len(CLINICAL) < 0.01, lost


def spellings(name: str) -> set[str]:
    """As people type a name into a description."""
    family, given = name.split("^")
    turns = {
        f"{family} {given}",
        f"{given} {family}",
        f"{family}, {given}",
        f"{family}_{given}",
        f"{family}^{given}",
        family,
    }
    plain = {
        turn.translate(str.maketrans("üëáŻółŁ", "ueaZolL")).replace("ż", "z").replace("ty", "ty")
        for turn in turns
    }
    german = {turn.replace("ü", "ue") for turn in turns} if "ü" in name else set()
    return {way(turn) for turn in turns | plain | german for way in (str, str.upper, str.lower)}


@pytest.mark.parametrize("name", PLAIN)
def test_names_are_found_in_every_spelling(name: str) -> None:
    person = own(("name", name))
    family = name.split("^", maxsplit=1)[0]
    missed = []
    for spelling, frame in product(sorted(spellings(name)), ("CT chest {} portable", "{}", "of {}, supine")):
        left = cut(frame.format(spelling), person, True)
        if any(part.casefold() in left.casefold() for part in (family, spelling)):
            missed.append((spelling, left))
    assert missed == []


DATES = (
    "19610427",
    "1961-04-27",
    "27.04.1961",
    "27/04/1961",
    "04/27/1961",
    "1961/04/27",
    "27-04-1961",
    "27041961",
)
IDS = ("AE-4711", "AE4711", "ae 4711", "AE_4711", "AE.4711", "AE/4711")
NUMBERS = ("0004711", "4711", "00004711")
PHONES = (
    "+49 441 7789123", "+49-441-7789123", "0441 7789123", "0441/7789123", "(555) 014-7991", "555-014-7991",
    "+1 555 014 7991",    "+33 1 42 68 53 00", "01 42 68 53 00", "+44 20 7946 0958", "020 7946 0958",
)  # fmt: skip
ADDRESSES = (
    "17 Quince Crescent Road",
    "4 Medlar Street",
    "221B Baker St.",
    "Hauptstraße 12",
    "Lindenallee 4",
)
OTHERS = (
    "ada@example.org", "https://ris.example.org/p/7", "www.example.org/x", "123-45-6789", "MRN 12345678",
    "MRN: A123456",    "pat id 998877", "DOB 04/27/1961", "born 27.4.1961", "Dr. Quennerstedt",
    "Prof. U. Quennerstedt", "12 April 2020",    "April 12, 2020",    "2020-04-12", "case 2024-118",
)  # fmt: skip


@pytest.mark.parametrize("value", [*DATES, *IDS])
def test_the_person_s_own_values_are_found_in_other_forms(value: str) -> None:
    person = own(("date", "19610427"), ("id", "AE-4711"))
    assert value not in cut(f"CT chest {value} portable", person, False)


@pytest.mark.parametrize("value", NUMBERS)
def test_leading_zeros_hide_no_number(value: str) -> None:
    assert "4711" not in cut(f"chest {value} portable", own(("id", "004711")), False)


@pytest.mark.parametrize("value", [*PHONES, *ADDRESSES, *OTHERS])
def test_what_looks_like_somebody_s_is_found_without_knowing_them(value: str) -> None:
    left = cut(f"Chest pain, {value}, portable", None, True)
    assert value not in left
    assert left.startswith("Chest pain") and left.endswith("portable")
