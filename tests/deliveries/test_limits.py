"""Limits by the minute: what a portion may hold, and that over a minute they hold."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deliveries.limits import MB, MINUTE, NO_LIMITS, PORTION, Limits, Portion, portion

LIMITS = st.builds(Limits, st.integers(0, 5_000), st.integers(0, 5_000)).filter(bool)
SIZES = st.lists(st.integers(0, 3 * MB), min_size=1, max_size=400)


@pytest.mark.parametrize(
    ("limits", "sizes", "images", "seconds"),
    [
        (Limits(images=60), [MB] * 100, 15, 15),
        (Limits(images=60), [MB] * 10, 10, 10),
        (Limits(images=2), [MB] * 10, 1, 30),  # one at least, whatever it uses up
        (Limits(megabytes=60), [MB] * 100, 15, 15),
        (Limits(megabytes=60), [100 * MB] * 3, 1, 100),
        (Limits(megabytes=60), [MB, 100 * MB], 1, 1),
        (Limits(images=60, megabytes=120), [4 * MB] * 100, 7, 14),  # the narrower one decides
        (Limits(images=60, megabytes=120), [MB] * 100, 15, 15),
        (Limits(images=60), [0] * 100, 15, 15),
        (NO_LIMITS, [MB] * 100, 100, 0),
    ],
)
def test_a_portion_is_a_quarter_of_a_minute(
    limits: Limits, sizes: list[int], images: int, seconds: float
) -> None:
    assert portion(sizes, limits) == Portion(images, timedelta(seconds=seconds))


def test_what_goes_as_a_whole_is_not_divided_and_uses_up_what_it_is() -> None:
    assert portion([MB] * 600, Limits(images=60), whole=True) == Portion(600, timedelta(minutes=10))


@given(LIMITS, SIZES)
def test_over_every_minute_no_more_goes_than_the_limits_say_and_a_portion(
    limits: Limits, sizes: list[int]
) -> None:
    """Portion after portion, each as soon as the one before it is used up, and sent in no time."""
    at, left, sent = timedelta(0), sizes, []
    while left:
        share = portion(left, limits)
        assert share.images >= 1
        sent.append((at, share.images, sum(left[: share.images]), share.cost))
        at, left = at + share.cost, left[share.images :]
    for begin, _, _, _ in sent:
        within = [one for one in sent if begin <= one[0] < begin + MINUTE]
        last = within[-1]
        images, size = sum(one[1] for one in within), sum(one[2] for one in within)
        assert limits.cost(images - last[1], size - last[2]) <= MINUTE
        assert last[3] <= PORTION or last[1] == 1


@given(LIMITS, SIZES)
def test_nothing_is_lost_and_nothing_waits_without_need(limits: Limits, sizes: list[int]) -> None:
    share = portion(sizes, limits)
    assert 1 <= share.images <= len(sizes)
    if share.images < len(sizes):
        assert limits.cost(share.images + 1, sum(sizes[: share.images + 1])) > PORTION


def test_limits_say_what_they_are() -> None:
    assert str(Limits(images=600)) == "600 images"
    assert str(Limits(600, 90)) == "600 images and 90 MB"
    assert not NO_LIMITS
