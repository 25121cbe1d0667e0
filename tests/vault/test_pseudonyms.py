"""Promise 5: the same person, the same pseudonym."""

import time

import pytest

from proxy.deid.identifiers import pseudonym
from proxy.vault import pseudonyms
from proxy.vault.models import Person
from proxy.vault.projects import project_key
from proxy.vault.pseudonyms import Nameless, Taken, forget_cache, person_for
from proxy.vault.seals import keep, keep_pairs, open_seal, pair_rows, seal_row
from tests.aside import changed

pytestmark = pytest.mark.django_db
STUDY = "1.2.3.4"


def test_promise_5_same_person_same_pseudonym_in_a_process_that_remembers_nothing() -> None:
    first = person_for(1, "EAST", "AE-4711", {"name": "Example^Ada"}, STUDY)
    forget_cache()
    again = person_for(1, "EAST", " AE-4711 ", {"name": "EXAMPLE^ADA"}, "1.9")
    assert first == again
    assert first.pseudonym.startswith("ANON-")
    assert Person.objects.count() == 1


def test_promise_5_one_id_under_two_issuers_is_two_people() -> None:
    assert person_for(1, "EAST", "AE-4711", {}, STUDY) != person_for(1, "WEST", "AE-4711", {}, STUDY)


def test_two_projects_know_one_person_by_two_pseudonyms() -> None:
    one, other = person_for(1, "", "AE-4711", {}, STUDY), person_for(2, "", "AE-4711", {}, STUDY)
    assert one.pseudonym != other.pseudonym
    assert one.uid_key != other.uid_key


@pytest.mark.parametrize(
    "empty", ["", "  ", "0", "000", "UNKNOWN", "[unknown]", "N/A", "---", "xxx", "*ANON*"]
)
def test_nobody_in_particular_is_a_person_of_one_study(empty: str) -> None:
    one, same, other = (person_for(1, "EAST", empty, {}, study) for study in ("1.2", "1.2", "1.3"))
    assert one == same
    assert one.pseudonym != other.pseudonym
    assert one.per_study


def test_neither_id_nor_study_is_refused() -> None:
    with pytest.raises(Nameless):
        person_for(1, "EAST", "", {}, "")


def test_promise_5_a_pseudonym_that_was_drawn_is_stored_and_stays() -> None:
    derived = person_for(2, "EAST", "AE-4711", {}, STUDY)
    drawn = person_for(1, "EAST", "AE-4711", {}, STUDY, drawn=True)
    forget_cache()
    assert person_for(1, "EAST", "AE-4711", {}, STUDY, drawn=True) == drawn
    assert drawn.pseudonym not in {derived.pseudonym, pseudonym(project_key(1), "EAST", "AE-4711")}
    assert drawn.shift_days > 0


def test_promise_5_a_pseudonym_that_is_another_persons_is_refused() -> None:
    known = person_for(1, "EAST", "AE-4711", {}, STUDY)
    Person.objects.update(blind="0" * 64)
    forget_cache()
    with pytest.raises(Taken):
        person_for(1, "EAST", "AE-4711", {}, STUDY)
    assert Person.objects.get().pseudonym == known.pseudonym


def test_persons_are_remembered_for_minutes_and_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(pseudonyms, "time", changed(time, monotonic=lambda: now[0]))
    monkeypatch.setattr(pseudonyms, "REMEMBERED", 3)
    for number in range(5):
        person_for(1, "EAST", f"AE-{number}", {}, STUDY)
    assert len(pseudonyms._met) == 3
    now[0] += pseudonyms.REMEMBERED_FOR + 1
    person_for(1, "EAST", "AE-9", {}, STUDY)
    assert len(pseudonyms._met) == 1


@pytest.mark.parametrize("size", [0, 10, 40_000, 3_000_000])
def test_promise_6_a_seal_opens_as_it_was(size: int) -> None:
    import random

    plain = random.Random(size).randbytes(size)
    known = person_for(1, "EAST", "AE-4711", {}, STUDY)
    keep([seal_row(known, 1, "2.25.1", plain)])
    assert open_seal(1, "2.25.1") == plain


def test_uid_pairs_written_twice_are_as_once() -> None:
    known = person_for(1, "EAST", "AE-4711", {}, STUDY)
    for _ in range(2):
        keep_pairs(pair_rows(known, {"2.25.7": ("study", STUDY)}))
