"""A window that slides: the wait that is told is true, and many strangers cost bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.rates import Rates


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_no_minute_ever_has_more(pauses: list[float], most: int) -> None:
    clock, taken = Clock(), list[float]()
    rates = Rates(clock=clock)
    for pause in pauses:
        clock.now += pause
        if not rates.take("a", most):
            taken.append(clock.now)
    assert all(sum(one <= other < one + 60 for other in taken) <= most for one in taken)


def test_the_wait_that_is_told_is_long_enough_and_no_longer() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    for _ in range(3):
        assert rates.take("a", 3) == 0
        clock.now += 5
    wait = rates.take("a", 3)
    assert wait == 45
    clock.now += wait - 0.1
    assert rates.take("a", 3) > 0
    clock.now += 0.2
    assert rates.take("a", 3) == 0


def test_a_lower_limit_holds_at_once() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    for _ in range(5):
        rates.take("a", 10)
        clock.now += 1
    assert rates.wait("a", 2) == 58 and rates.wait("a", 0) == 0


def test_strangers_are_forgotten_and_not_those_who_are_here_now() -> None:
    clock = Clock()
    rates = Rates(keys=100, clock=clock)
    for number in range(1000):
        rates.take(f"stranger {number}", 1)
        clock.now += 0.01
    rates.take("friend", 1)
    assert len(rates._times) <= 101 and rates.take("friend", 1) > 0
