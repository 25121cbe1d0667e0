"""Grey values of a screen, with plain numbers from the standard's formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dicomweb.giving import windows
from proxy.dicomweb.giving.rendered import MOST_PIXELS, Look, Senseless, Viewport, read, thumbnail
from proxy.dicomweb.giving.windows import EXACT, LINEAR, SIGMOID, Window, shown


def grey(values: list[float], window: Window | None, *, inverted: bool = False) -> list[int]:
    made: list[int] = shown(np.array([values]), window, inverted=inverted)[0].tolist()
    return made


def test_a_linear_window() -> None:
    """PS3.3 C.11.2.1.2.1: center 2048 and width 4096 map 0 to black and 4095 to white."""
    assert grey([-1, 0, 2047.5, 4095, 5000], Window(2048, 4096)) == [0, 0, 128, 255, 255]
    assert grey([0, 1, 2], Window(1, 1)) == [0, 255, 255]


def test_an_exact_window_is_half_a_value_beside() -> None:
    assert grey([0, 50, 100], Window(50, 100, EXACT)) == [0, 128, 255]


def test_a_sigmoid_window_never_ends() -> None:
    low, middle, high = grey([-50, 50, 150], Window(50, 100, SIGMOID))
    assert (low, middle, high) == (5, 128, 250)
    assert grey([-1e9, 1e9], Window(0, 0.001, SIGMOID)) == [0, 255]


def test_inverted_is_the_other_way_round() -> None:
    assert grey([0, 4095], Window(2048, 4096), inverted=True) == [255, 0]


def test_without_a_window_the_whole_range_is_shown() -> None:
    assert grey([-1000, 0, 1000], None) == [0, 128, 255]
    assert grey([7, 7], None) == [0, 0]
    assert grey([float("nan"), 0, 1], None) == [0, 0, 255]


def test_a_table_ends_on_both_sides() -> None:
    assert windows.looked_up(np.array([-5, 0, 1, 9]), [10, 20, 30], 0).tolist() == [10, 10, 20, 30]
    assert windows.looked_up(np.array([-5, -4]), [10, 20], -5).tolist() == [10, 20]


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=9),
    st.floats(-1e9, 1e9),
    st.floats(1, 1e9),
    st.sampled_from([LINEAR, EXACT, SIGMOID]),
)
def test_any_values_are_grey(values: list[float], center: float, width: float, function: str) -> None:
    with np.errstate(all="ignore"):
        finite = [one for one in values if np.isfinite(one) and abs(one) < 1e300] or [0.0]
        assert all(0 <= one <= 255 for one in grey(finite, Window(center, width, function)))


@pytest.mark.parametrize(
    "parameters",
    [
        {"window": ["1,2"]},
        {"window": ["1,2,cubic"]},
        {"window": ["x,2,linear"]},
        {"window": ["nan,2,linear"]},
        {"window": ["1,inf,linear"]},
        {"window": ["1,0,sigmoid"]},
        {"window": ["1,-4,linear"]},
        {"window": ["1,0.5,linear"]},
        {"window": ["1,2,linear", "1,2,linear"]},
        {"viewport": ["10"]},
        {"viewport": ["0,10"]},
        {"viewport": ["-10,10"]},
        {"viewport": ["10,10,1,1"]},
        {"viewport": [f"{MOST_PIXELS},2"]},
        {"viewport": ["10,10,-1,0,5,5"]},
        {"viewport": ["10,1e99,0,0,5,5"]},
        {"quality": ["0"]},
        {"quality": ["101"]},
        {"quality": ["high"]},
        {"quality": ["٣"]},
        {"annotation": ["patient"]},
    ],
    ids=repr,
)
def test_parameters_without_sense(parameters: dict[str, list[str]]) -> None:
    with pytest.raises(Senseless):
        read(parameters)


def test_parameters() -> None:
    assert read({}) == Look()
    assert read({"window": ["40,400.5,linear-exact"]}).window == Window(40, 400.5, EXACT)
    assert read({"viewport": ["10,20"]}).viewport == Viewport(10, 20)
    assert read({"viewport": ["10,20,1,2,-3,4"]}).viewport == Viewport(10, 20, (1, 2, -3, 4))
    assert read({"quality": ["50"], "accept": ["image/png"]}).quality == 50
    assert thumbnail(Look()).viewport == Viewport(128, 128)
    assert thumbnail(Look(viewport=Viewport(9, 9))).viewport == Viewport(9, 9)
