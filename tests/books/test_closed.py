"""Which days are left to be counted, with plain values."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from proxy.books.closed import Book, is_within, spans_between

FIRST = date(2026, 1, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def test_without_a_closed_day_everything_is_counted() -> None:
    assert spans_between([], None) == [(None, None)]
    assert spans_between([], day(3)) == [(day(3), None)]


def test_closed_days_in_a_row_leave_what_came_before_and_after() -> None:
    assert spans_between([day(1), day(2), day(3)], None) == [(None, day(1)), (day(4), None)]


def test_a_day_that_is_open_among_closed_ones_is_counted_alone() -> None:
    assert spans_between([day(1), day(3)], None) == [(None, day(1)), (day(2), day(3)), (day(4), None)]


def test_spans_begin_where_one_asks_from() -> None:
    assert spans_between([day(5)], day(5)) == [(day(6), None)]
    assert spans_between([day(6)], day(5)) == [(day(5), day(6)), (day(7), None)]


def test_of_too_many_spans_those_are_joined_that_cost_the_fewest_days() -> None:
    closed = [day(1), day(3), day(4), day(5), day(7)]
    assert spans_between(closed, None, most=3) == [(None, day(3)), (day(6), day(7)), (day(8), None)]


@given(st.sets(st.integers(0, 60)), st.integers(1, 6), st.none() | st.integers(0, 60))
def test_every_day_is_either_counted_or_closed__promise_4(
    numbers: set[int], most: int, begin: int | None
) -> None:
    since = None if begin is None else day(begin)
    closed = sorted(day(number) for number in numbers if begin is None or number >= begin)
    spans = spans_between(closed, since, most)
    assert 1 <= len(spans) <= max(most, 1)
    for number in range(-1, 62):
        wanted = begin is None or number >= begin
        counted = is_within(day(number), spans)
        assert not counted or wanted
        assert counted or day(number) in closed or not wanted


def test_a_closed_day_within_a_joined_span_is_not_added_to_what_is_counted() -> None:
    figures = {"received": 5, "delivered": 5}
    book = Book({day(number * 2): {1: figures} for number in range(40)})
    spans = book.left()
    added = {one for one, *_ in book.entries()}
    assert 0 < len(added) < 40
    assert not any(is_within(one, spans) for one in added)
