import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deliveries import bitmap

TOTAL = st.integers(1, 300)


@st.composite
def a_total_and_ordinals(draw: st.DrawFn) -> tuple[int, list[int]]:
    total = draw(TOTAL)
    return total, draw(st.lists(st.integers(0, total - 1)))


@given(a_total_and_ordinals())
def test_what_was_marked_is_there_and_nothing_else(case: tuple[int, list[int]]) -> None:
    total, ordinals = case
    bits = bitmap.mark(b"", ordinals, total)
    assert [one for one in range(total) if bitmap.has(bits, one)] == sorted(set(ordinals))
    assert bitmap.count(bits) == len(set(ordinals))
    assert bitmap.missing(bits, total) == sorted(set(range(total)) - set(ordinals))


@given(a_total_and_ordinals(), st.data())
def test_marking_in_batches_is_as_marking_at_once_in_any_order(
    case: tuple[int, list[int]], data: st.DataObject
) -> None:
    total, ordinals = case
    shuffled = data.draw(st.permutations(ordinals))
    cut = data.draw(st.integers(0, len(ordinals)))
    in_batches = bitmap.mark(bitmap.mark(b"", shuffled[:cut], total), shuffled[cut:], total)
    assert in_batches == bitmap.mark(b"", ordinals, total)


@given(TOTAL, st.integers(0, 50))
def test_an_ordinal_outside_the_revision_is_not_marked(total: int, beyond: int) -> None:
    for ordinal in (total + beyond, -1 - beyond):
        with pytest.raises(ValueError, match="not of a revision"):
            bitmap.mark(b"", [ordinal], total)


@given(a_total_and_ordinals())
def test_a_bitmap_is_as_long_as_its_revision_needs(case: tuple[int, list[int]]) -> None:
    total, ordinals = case
    assert len(bitmap.mark(b"", ordinals, total)) == (total + 7) // 8


@given(st.binary(max_size=6), st.lists(st.integers(0, 60), unique=True, max_size=30))
def test_picked_bits_stand_in_the_order_in_which_they_are_wanted(bits: bytes, wanted: list[int]) -> None:
    found = bitmap.picked(bits, wanted)
    assert [bitmap.has(found, place) for place in range(len(wanted))] == [
        bitmap.has(bits, one) for one in wanted
    ]
    assert bitmap.count(found) == sum(bitmap.has(bits, one) for one in wanted)
