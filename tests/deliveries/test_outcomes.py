import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Refused, Result, TryLater, Verdict, fold

FULL = "The peer is out of resources: it is sent again."
ODD = "The peer cannot understand the image."


def stored(ordinal: int) -> Result:
    return Result(ordinal, Verdict.STORED)


def later(ordinal: int) -> Result:
    return Result(ordinal, Verdict.LATER, FULL)


def refused(ordinal: int) -> Result:
    return Result(ordinal, Verdict.REFUSED, ODD)


RESULTS = st.lists(
    st.builds(lambda make, n: make(n), st.sampled_from([stored, later, refused]), st.integers(0, 9))
)


def test_all_stored_is_delivered() -> None:
    assert fold(range(3), [stored(0), stored(1), stored(2)]) == Delivered()


def test_an_empty_parcel_is_delivered() -> None:
    assert fold([], []) == Delivered()


def test_what_was_never_tried_is_later_and_never_delivered() -> None:
    outcome = fold(range(3), [stored(0), stored(1)])
    assert isinstance(outcome, TryLater)
    assert outcome.reason.startswith("1 of 3 images")


def test_as_long_as_something_may_get_through_the_delivery_tries_again() -> None:
    outcome = fold(range(3), [stored(0), refused(1), later(2)])
    assert outcome == TryLater(f"1 of 3 images not acknowledged yet: {FULL}")


def test_what_only_a_person_can_change_is_refused_with_counts() -> None:
    outcome = fold(range(4), [stored(0), refused(1), refused(2), stored(3)])
    assert outcome == Refused(f"2 of 4 images refused: {ODD}")


def test_an_interruption_blames_nobody_and_goes_on_at_once() -> None:
    assert fold(range(2), [stored(0)], interrupted=True) == INTERRUPTED
    assert not INTERRUPTED.rests


def test_an_interruption_after_the_last_image_changes_nothing() -> None:
    assert fold(range(1), [stored(0)], interrupted=True) == Delivered()


def test_the_last_word_on_an_instance_counts() -> None:
    assert fold(range(1), [later(0), stored(0)]) == Delivered()


@given(RESULTS)
def test_delivered_means_that_each_one_was_stored(results: list[Result]) -> None:
    last = {result.ordinal: result.verdict for result in results}
    everything = all(last.get(ordinal) is Verdict.STORED for ordinal in range(10))
    assert isinstance(fold(range(10), results), Delivered) == everything


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_a_reason_is_never_empty(empty: str) -> None:
    for make in (TryLater, Refused):
        with pytest.raises(ValueError, match="never empty"):
            make(empty)
    with pytest.raises(ValueError, match="never empty"):
        Result(1, Verdict.REFUSED, empty)


@given(st.text(min_size=1).filter(str.strip))
def test_a_reason_is_one_line_that_fits_its_column(reason: str) -> None:
    kept = Refused(reason).reason
    assert 0 < len(kept) <= 255
    assert "\n" not in kept
