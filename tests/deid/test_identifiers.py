"""Promise 5: keyed, deterministic, the same on every machine."""

import uuid
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from proxy.deid import map_uid, normalise_id, pseudonym, shift_date, shift_days, subject_uid_key

KEY = b"p" * 32
TEXTS = st.text(max_size=30)


def test_the_same_person_gets_the_same_pseudonym_for_ever() -> None:
    assert pseudonym(KEY, "HOSPITAL", "AE-4711") == "ANON-DNDM6R7ZJIGP6MSW"
    assert pseudonym(KEY, "HOSPITAL", " AE-4711 \0") == pseudonym(KEY, "HOSPITAL", "AE-4711")


def test_one_number_under_two_issuers_is_two_persons() -> None:
    assert pseudonym(KEY, "A", "1") != pseudonym(KEY, "B", "1")


def test_a_person_who_was_forgotten_comes_back_as_somebody_else() -> None:
    assert pseudonym(KEY, "A", "1", 0) != pseudonym(KEY, "A", "1", 1)
    assert shift_days(KEY, "A", "1", 0) != shift_days(KEY, "A", "1", 1)
    assert subject_uid_key(KEY, 0) != subject_uid_key(KEY, 1)


@given(TEXTS, TEXTS)
def test_pseudonyms_have_one_form(issuer: str, patient_id: str) -> None:
    made = pseudonym(KEY, issuer, patient_id)
    assert made.startswith("ANON-") and len(made) == 21
    assert set(made[5:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


@given(TEXTS, TEXTS)
def test_dates_move_at_least_a_day_into_the_past(issuer: str, patient_id: str) -> None:
    days = shift_days(KEY, issuer, patient_id)
    assert 1 <= days <= 3652


@given(st.from_regex(r"[0-9.]{1,64}", fullmatch=True))
def test_uids_are_uuids_of_version_8(uid: str) -> None:
    mapped = map_uid(KEY, uid)
    number = uuid.UUID(int=int(mapped.removeprefix("2.25.")))
    assert len(mapped) <= 64 and number.version == 8 and number.variant == uuid.RFC_4122
    assert map_uid(KEY, uid) == mapped != uid


@given(st.dates(date(1920, 1, 1)), st.dates(date(1920, 1, 1)), st.integers(1, 3652))
def test_intervals_between_dates_stay(first: date, second: date, days: int) -> None:
    moved = [shift_date(f"{day:%Y%m%d}", days) for day in (first, second)]
    assert moved[0] is not None and moved[1] is not None
    read = [date(int(day[:4]), int(day[4:6]), int(day[6:])) for day in moved if day]
    assert read[1] - read[0] == second - first and read[0] < first


def test_what_is_no_whole_date_is_not_moved() -> None:
    assert [shift_date(text, 5) for text in ("2020", "20201301", "2020.01.01", "", "abcdefgh")] == [None] * 5


def test_normalising_only_trims() -> None:
    assert normalise_id("  00 47\0") == "00 47"
