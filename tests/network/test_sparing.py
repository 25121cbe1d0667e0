"""A flood of callers makes no flood of lines."""

import logging

import pytest

from proxy.network import sparing
from proxy.network.sparing import Sparing


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def test_the_same_is_said_once_a_minute_with_how_often_it_was_left_unsaid(
    said: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    spare = Sparing(logging.getLogger("proxy.test"), clock)
    for _ in range(1000):
        spare.warn("A caller at 10.0.0.1 is refused: unknown.")
    clock.now += 60
    spare.warn("A caller at 10.0.0.1 is refused: unknown.")
    assert said.messages == [
        "A caller at 10.0.0.1 is refused: unknown.",
        "A caller at 10.0.0.1 is refused: unknown. (999 more times since it was last said)",
    ]


def test_another_thing_is_said_at_once(said: pytest.LogCaptureFixture) -> None:
    spare = Sparing(logging.getLogger("proxy.test"), Clock())
    spare.warn("one")
    spare.warn("two")
    assert said.messages == ["one", "two"]


def test_it_remembers_so_many_things_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparing, "MOST_KEPT", 10)
    spare = Sparing(logging.getLogger("proxy.test"), Clock())
    for number in range(1000):
        spare.warn(f"caller {number}")
    assert len(spare._said) == 10
