"""Closed days with a real database: they say what the rows say, and whatever moves again opens its day (promise 4)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from proxy.books import closed, closing, counting
from proxy.books.balance import DAY, DESTINATION, STUDY, balance, postings
from proxy.books.models import Day, DayLine
from proxy.deliveries import queue
from proxy.deliveries.ledger import Line
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Instance, Revision
from tests.deliveries.builders import a_folder, a_revision, opened
from tests.deliveries.test_ledger import a_held_item

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 1, 12, 23, 59, tzinfo=UTC)
DAY_LONG = timedelta(days=1)
LATER = MONDAY + 10 * DAY_LONG


def delivered(study: int, images: int, at: datetime, *to: Destination) -> Revision:
    """A revision opened then, which every destination has."""
    revision = a_revision(study, images, destinations=to)
    opened(revision, *to, now=at)
    Delivery.objects.filter(revision=revision).update(
        state="delivered", acknowledged=images, finished_at=at, next_try_at=at
    )
    Revision.objects.filter(pk=revision.pk).update(opened_at=at, state=study_life.DELIVERED)
    return revision


def look(now: datetime) -> closing.Round:
    """A round that has time, however busy the machine is."""
    return closing.look(now, seconds=120.0)


def closed_days() -> list[date]:
    return list(Day.objects.exclude(closed_at=None).order_by("day").values_list("day", flat=True))


def test_a_house_without_images_has_no_days() -> None:
    a_folder()
    assert look(LATER) == closing.Round()
    assert balance() == [Line("outbox", 0, 0, 0, 0, 0)]


def test_a_day_on_which_all_is_delivered_is_closed_and_counts_the_same__promise_4() -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    delivered(2, 4, MONDAY + DAY_LONG, outbox)
    before = balance()
    done = look(LATER)
    assert (done.entered, done.closed) == (9, 9)
    assert balance() == before == balance(anew=True) == [Line("outbox", 7, 7, 0, 0, 0)]
    assert DayLine.objects.count() == 2


def test_the_whole_is_the_same_whether_days_are_added_up_or_read_one_by_one__promise_4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With so many open days in between that spans are joined, and without."""
    outbox = a_folder()
    for number in range(12):
        delivered(number, number + 1, MONDAY + number * DAY_LONG, outbox)
    look(MONDAY + 20 * DAY_LONG)
    whole = balance(anew=True)
    assert balance() == whole == [Line("outbox", 78, 78, 0, 0, 0)]
    Day.objects.filter(day__day__in=[14, 16, 18, 20]).update(closed_at=None)
    for most in (32, 3, 2, 1):
        monkeypatch.setattr(closed, "MOST_SPANS", most)
        monkeypatch.setattr(closed.spans_between, "__defaults__", (most,))
        assert balance() == whole


def test_a_day_that_is_opened_between_two_questions_is_counted_once__promise_4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    delivered(2, 4, MONDAY + DAY_LONG, outbox)
    look(LATER)
    sums, opened_meanwhile = closed._sums, [date(2026, 1, 12), date(2026, 1, 13)]

    def slow_sums() -> list[tuple[int, str, int]]:
        if opened_meanwhile:
            Day.objects.filter(day=opened_meanwhile.pop()).update(closed_at=None)
        return sums()

    monkeypatch.setattr(closed, "_sums", slow_sums)
    assert balance() == [Line("outbox", 7, 7, 0, 0, 0)]


def test_what_is_closed_is_read_and_not_counted() -> None:
    delivered(1, 3, MONDAY, a_folder())
    look(LATER)
    DayLine.objects.update(received=30, delivered=30)
    assert balance() == [Line("outbox", 30, 30, 0, 0, 0)]
    assert balance(anew=True) == [Line("outbox", 3, 3, 0, 0, 0)]


def test_a_closed_day_that_does_not_say_what_the_rows_say_is_written_anew() -> None:
    delivered(1, 3, MONDAY, a_folder())
    look(LATER)
    DayLine.objects.update(received=30, delivered=30)
    look(LATER + DAY_LONG)
    assert balance() == [Line("outbox", 3, 3, 0, 0, 0)]


def test_an_image_that_vanished_from_a_closed_day_opens_it_and_shows__promise_4() -> None:
    delivered(1, 3, MONDAY, a_folder())
    look(LATER)
    Instance.objects.filter(ordinal=2).delete()
    look(LATER + DAY_LONG)
    assert date(2026, 1, 12) not in closed_days()
    assert [line.difference for line in balance()] == [-1]


@pytest.mark.parametrize("state", [study_life.COMPLETE, study_life.REVIEW, study_life.RECEIVING])
def test_a_day_with_a_study_that_is_not_over_stays_open(state: str) -> None:
    revision = a_revision(images=2, state=state, destinations=(a_folder(),))
    Revision.objects.filter(pk=revision.pk).update(opened_at=MONDAY)
    look(LATER)
    assert date(2026, 1, 12) not in closed_days()
    assert date(2026, 1, 13) in closed_days()


def test_today_and_yesterday_stay_open() -> None:
    delivered(1, 3, MONDAY, a_folder())
    assert look(MONDAY + DAY_LONG / 2).entered == 0
    assert look(MONDAY + DAY_LONG).entered == 0
    assert look(MONDAY + DAY_LONG + timedelta(minutes=2)).entered == 1


def test_a_day_that_does_not_balance_stays_open() -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    Delivery.objects.all().delete()
    look(LATER)
    assert date(2026, 1, 12) not in closed_days()
    assert balance()[0].difference == 3


def test_what_is_sent_again_opens_its_day_at_the_next_round() -> None:
    outbox = a_folder()
    revision = delivered(1, 3, MONDAY, outbox)
    look(LATER)
    again = LATER + timedelta(minutes=1)
    Delivery.objects.filter(revision=revision).update(
        state="waiting", acknowledged=0, acks=b"", next_try_at=again
    )
    look(again)
    assert balance() == [Line("outbox", 3, 0, 0, 0, in_flight=3)]


def test_another_destination_for_an_old_study_stands_in_the_books__promise_4() -> None:
    revision = delivered(1, 3, MONDAY, a_folder())
    look(LATER)
    late = a_folder("late")
    queue.open_for(revision, [late], LATER)
    look(LATER + timedelta(minutes=1))
    assert balance() == balance(anew=True)
    assert Line("late", 3, 0, 0, 0, in_flight=3) in balance()


def test_images_in_quarantine_leave_a_day_closed_until_somebody_decides() -> None:
    item = a_held_item(a_folder())
    HeldItem.objects.update(held_at=MONDAY)
    look(LATER)
    assert date(2026, 1, 12) in closed_days()
    assert balance() == [Line("outbox", 1, 0, 0, held=1, in_flight=0)]
    HeldItem.objects.filter(pk=item.pk).update(state="discarded")
    look(LATER + timedelta(seconds=1))
    assert balance() == [Line("outbox", 1, 0, excluded=1, held=0, in_flight=0)]


def test_two_that_count_the_same_day_write_it_once() -> None:
    delivered(1, 3, MONDAY, a_folder())
    closing.enter(LATER)
    stale = Day.objects.get(day=date(2026, 1, 12))
    assert closing._count(stale, LATER)
    assert closing._count(stale, LATER + DAY_LONG)
    assert Day.objects.get(pk=stale.pk).counted_at == LATER
    assert DayLine.objects.count() == 1


def test_a_round_stops_when_it_is_told_to() -> None:
    delivered(1, 3, MONDAY, a_folder())
    assert closing.look(LATER, going=lambda: False).closed == 0
    assert closing.look(LATER, seconds=-1.0).closed == 0


def test_postings_by_day_take_closed_and_open_days_together__promise_4() -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    look(LATER)
    delivered(2, 2, LATER, outbox)
    a_held_item(outbox, study=9)
    HeldItem.objects.update(held_at=LATER)
    said = [(one.about, one.line.received, one.line.held) for one in postings(DAY)]
    assert said == [(date(2026, 1, 12), 3, 0), (date(2026, 1, 22), 3, 1)]
    assert [one.about for one in postings(DAY, date(2026, 1, 13))] == [date(2026, 1, 22)]


def test_postings_by_study_name_it_and_only_those_off_if_one_asks__promise_4() -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    second = delivered(2, 2, MONDAY, outbox)
    a_held_item(outbox, study=1)
    HeldItem.objects.update(held_at=MONDAY)
    assert [(one.about, one.line.received) for one in postings(STUDY)] == [
        ("2.25.4711.1", 4),
        ("2.25.4711.2", 2),
    ]
    Delivery.objects.filter(revision=second).update(acknowledged=1)
    [off] = postings(STUDY, off_only=True)
    assert (off.about, off.line.difference) == ("2.25.4711.2", 1)
    assert postings(STUDY, date(2026, 1, 13)) == []


def test_postings_by_destination_since_a_day_leave_out_what_came_before() -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    delivered(2, 2, MONDAY + DAY_LONG, outbox)
    assert [one.line.received for one in postings(DESTINATION, date(2026, 1, 13))] == [2]
    assert [one.line.received for one in postings(DESTINATION)] == [5]


@pytest.mark.parametrize("number", [0, 1], ids=["images", "results"])
def test_counting_a_day_begins_at_the_index_of_days__flat(number: int) -> None:
    """However many revisions there are. PostgreSQL reads forty rows whatever there is: `bench_ledger` shows its plan
    over a million."""
    outbox = a_folder()
    for study in range(40):
        delivered(study, 1, MONDAY + study * DAY_LONG, outbox)
    with CaptureQueriesContext(connection) as asked:
        counting.count([counting.one_day(date(2026, 1, 14))])
    statement = asked.captured_queries[number]["sql"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("ANALYZE studies_revision")  # or the plan is of what other tests had there
        cursor.execute(
            f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {statement}"
        )
        plan = [str(row[-1]) for row in cursor.fetchall()]
    assert not [step for step in plan if step.startswith("SCAN") or "Seq Scan" in step], plan
    index = ("revision_by_day", "retrieval_result_received_at")[number]
    assert [step for step in plan if index in step], plan


def test_a_clock_that_was_ahead_leaves_no_closed_days_to_come__promise_12() -> None:
    outbox = a_folder()
    delivered(1, 3, MONDAY, outbox)
    look(LATER + 30 * DAY_LONG)
    delivered(2, 4, LATER - DAY_LONG, outbox)
    look(LATER)
    assert max(closed_days()) == (LATER - 2 * DAY_LONG).date()
    assert balance() == [Line("outbox", 7, 7, 0, 0, 0)]
    Delivery.objects.filter(revision__study__uid="2.25.4711.1").update(acknowledged=2)
    for minute in range(5):
        look(LATER + timedelta(minutes=minute))
    assert balance()[0].difference == 1
