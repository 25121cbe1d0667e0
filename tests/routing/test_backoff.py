from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import backoff
from proxy.routing.backoff import RESTS_AFTER, Pace

PACE = Pace(timedelta(seconds=5), timedelta(seconds=900), timedelta(seconds=60), at_once=4)
CHANCE = st.floats(0, 1, exclude_max=True)


def test_the_pause_doubles_until_it_is_long_enough() -> None:
    pauses = [backoff.pause(tries, PACE, 0).total_seconds() for tries in range(1, 11)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@given(st.integers(0, 10_000), CHANCE)
def test_a_pause_is_neither_nothing_nor_longer_than_the_longest(tries: int, chance: float) -> None:
    assert PACE.pause / 2 <= backoff.pause(tries, PACE, chance) <= PACE.pause_max


@given(st.integers(0, 10_000), CHANCE)
def test_jitter_takes_off_half_at_most(tries: int, chance: float) -> None:
    assert (
        backoff.pause(tries, PACE, 0) / 2
        <= backoff.pause(tries, PACE, chance)
        <= backoff.pause(tries, PACE, 0)
    )


def test_a_destination_rests_after_three_failures_and_then_longer_and_longer() -> None:
    rests = [backoff.rest(failures, PACE, 0) for failures in range(RESTS_AFTER + 3)]
    assert rests == [None, None, None, *(timedelta(seconds=wait) for wait in (5, 10, 20))]


def test_a_destination_in_trouble_is_tried_by_one_delivery() -> None:
    assert backoff.room(0, 0, PACE) == 4
    assert backoff.room(0, 2, PACE) == 2
    assert backoff.room(RESTS_AFTER, 0, PACE) == backoff.room(RESTS_AFTER, 2, PACE) == 1
