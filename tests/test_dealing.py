"""Tests are dealt, none is lost, and long ones stand at nobody's end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import dealing


@given(st.lists(st.integers(0, 99)), st.lists(st.integers(100, 199)))
def test_nothing_is_lost_and_each_list_keeps_its_order(some: list[int], others: list[int]) -> None:
    mixed = dealing.between(some, others)
    assert [one for one in mixed if one < 100] == some
    assert [one for one in mixed if one >= 100] == others


def test_what_is_long_is_spread_and_stands_not_at_the_end() -> None:
    mixed = dealing.between("ABCD", "." * 100)
    places = [mixed.index(one) for one in "ABCD"]
    assert places[0] == 0 and places[-1] < 60
    assert {later - sooner for sooner, later in pairwise(places)} == {16}


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_process_gets_the_same_tests_in_the_same_order(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(count))
    items = request.session.items
    assert sorted(map(id, dealing.deal(items))) == sorted(map(id, items))
