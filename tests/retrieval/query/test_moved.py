"""Days as the hospital says them find dates that were moved, each person's by their own number of days."""

from datetime import date, timedelta

import pytest
from django.db.models import Q

from proxy.retrieval.query import moved
from proxy.retrieval.query.attributes import BY_KEYWORD, SERIES, STUDY
from proxy.retrieval.query.identified import Identified
from proxy.retrieval.query.matching import Between
from proxy.retrieval.query.rows import Sieve
from proxy.routing.models import Project
from proxy.studies.models import Series, Study
from proxy.vault.models import Person
from tests.retrieval.query import filled

SHIFTS = (1, 30, 31, 365, 366, 1000, 3652)
DAYS = ("20240228", "20240229", "20240301", "20231231", "20240101", "20140715")
OPEN = "00000000"


@pytest.fixture
def sieve(transactional_db: None) -> Sieve:
    """A study of every day for everybody, called by its day and its person's shift."""
    for shift in SHIFTS:
        for day in DAYS:
            _add(f"{day}.{shift}", _earlier(day, shift), f"ANON-{shift}")
        Person.objects.filter(pseudonym=f"ANON-{shift}").update(shift_days=shift)
    project = Project.objects.get(name="default")
    return Sieve(STUDY, frozenset({project.pk}), Identified.in_sight)


def _add(uid: str, day: str, pseudonym: str) -> None:
    image = filled.images()[0] | {"PatientID": pseudonym, "StudyInstanceUID": uid, "StudyDate": day}
    filled.fill([image | {"SeriesInstanceUID": uid, "SOPInstanceUID": uid, "SeriesDate": day}])


def _earlier(day: str, days: int) -> str:
    return (date(int(day[:4]), int(day[4:6]), int(day[6:])) - timedelta(days=days)).strftime("%Y%m%d")


def found(sieve: Sieve, condition: Q) -> set[str]:
    uid = BY_KEYWORD["StudyInstanceUID"]
    return {row.values["StudyInstanceUID"] for row in sieve.first(condition, [uid], 10_000)}


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("20240229", "20240229", {"20240229"}),
        ("20240228", "20240301", {"20240228", "20240229", "20240301"}),
        ("20231231", "20240101", {"20231231", "20240101"}),
        ("20240230", "20240231", {"20240229"}),  # no such days: as the last of its month, and looked at again
        ("20240131", "20240227", set()),
        ("20240301", "", {"20240301"}),
        ("", "20140715", {"20140715"}),
    ],
)
def test_each_persons_days_are_moved(sieve: Sieve, first: str, last: str, days: set[str]) -> None:
    condition = moved.within(Between(first, last), BY_KEYWORD["StudyDate"], "date")
    kept = found(sieve, condition)
    wanted = {f"{day}.{shift}" for day in days for shift in SHIFTS}
    assert wanted <= kept
    as_they_are = {
        f"{day}.{shift}"
        for day in DAYS
        for shift in SHIFTS
        if (first or OPEN) <= _earlier(day, shift) <= (last or "9") or _earlier(day, shift).endswith("0101")
    }
    assert kept <= wanted | as_they_are


def test_what_was_kept_cut_or_removed_is_looked_at_again(sieve: Sieve) -> None:
    for uid, day in (
        ("kept", "20240229"),
        ("cut", "20240101"),
        ("gone", ""),
        ("other", "20240215"),
        ("year", "20230101"),
    ):
        _add(uid, day, "ANON-30")
    kept = found(sieve, moved.within(Between("20240229", "20240229"), BY_KEYWORD["StudyDate"], "date"))
    assert {"kept", "cut", "gone"} <= kept
    assert not {"other", "year"} & kept
    kept = found(sieve, moved.within(Between("20240229", ""), BY_KEYWORD["StudyDate"], "date"))
    assert {"kept", "cut", "gone"} <= kept


def test_series_go_by_the_person_of_their_study(sieve: Sieve) -> None:
    below = Sieve(SERIES, sieve.projects, sieve.in_sight)
    uid = BY_KEYWORD["SeriesInstanceUID"]
    condition = moved.within(Between("20240229", "20240229"), BY_KEYWORD["SeriesDate"], "date")
    kept = {row.values["SeriesInstanceUID"] for row in below.first(condition, [uid], 10_000)}
    assert {f"20240229.{shift}" for shift in SHIFTS} <= kept
    assert len(kept) < Series.objects.count() / 2


@pytest.mark.parametrize(
    ("first", "last"), [("00000101", "00000101"), ("00010101", "99991231"), ("99991231", "")]
)
def test_days_at_the_end_of_time_are_days(sieve: Sieve, first: str, last: str) -> None:
    condition = moved.within(Between(first, last), BY_KEYWORD["StudyDate"], "date")
    expected = Study.objects.count() if first == "00010101" else 0
    assert len(found(sieve, condition)) == expected
