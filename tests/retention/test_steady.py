"""Promise 3: a clock that is wrong for a minute lets nothing go before its time."""

from datetime import UTC, datetime, timedelta

import pytest

from proxy.retention import keeper
from proxy.retention.steady import CALM, Steady, ticks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=366)
ROUND = timedelta(minutes=10)


def test_a_clock_that_goes_as_time_does_is_believed() -> None:
    steady = Steady()
    assert steady.is_believed(NOW, 0.0)
    assert steady.is_believed(NOW + ROUND, 600.0)
    assert steady.is_believed(NOW + 3 * ROUND, 1800.0)  # a round took long, or the machine slept


def test_one_that_jumps_ahead_is_not_until_there_was_time_to_put_it_right() -> None:
    steady = Steady()
    steady.is_believed(NOW, 0.0)
    assert not steady.is_believed(NOW + YEAR, 600.0)
    assert not steady.is_believed(NOW + YEAR + ROUND, 1200.0)
    assert not steady.is_believed(
        NOW + 3 * ROUND, 1800.0
    )  # it was put right: what was wrong once may be so again
    assert steady.is_believed(NOW + 3 * ROUND + timedelta(seconds=CALM), 1800.0 + CALM)


def test_one_that_was_right_all_the_same_is_believed_in_the_end() -> None:
    steady = Steady()
    steady.is_believed(NOW, 0.0)
    assert not steady.is_believed(NOW + YEAR, 600.0)
    assert steady.is_believed(NOW + YEAR + timedelta(seconds=CALM), 600.0 + CALM)


@pytest.mark.parametrize("back", [timedelta(hours=2), YEAR])
def test_one_that_is_put_back_is_believed(back: timedelta) -> None:
    """What is due is due later then: nothing goes too early."""
    steady = Steady()
    steady.is_believed(NOW, 0.0)
    assert steady.is_believed(NOW - back, 600.0)


def test_nothing_goes_while_it_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[datetime] = []
    monkeypatch.setattr(keeper, "look", lambda now, going: seen.append(now))
    steady = Steady()
    for now in (NOW, NOW + YEAR, NOW + YEAR + ROUND):
        steady.look(now)
    assert seen == [NOW]


def test_ticks_go_on() -> None:
    assert ticks() <= ticks()
