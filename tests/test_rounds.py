import threading

import pytest

from proxy.rounds import Rounds


def test_a_round_that_fails_is_made_again_and_its_words_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    again = threading.Event()
    made = []

    def step() -> None:
        made.append(1)
        if len(made) == 1:
            raise ValueError("Doe^Jane")
        again.set()

    rounds = Rounds("testing", step, pause=0.01)
    rounds.start()
    assert again.wait(100)
    rounds.stop(grace=20)
    assert "testing ended in ValueError" in caplog.text and "Doe" not in caplog.text


def test_who_is_stopped_makes_no_further_round() -> None:
    made: list[int] = []
    rounds = Rounds("testing", lambda: made.append(1), pause=0.01)
    assert rounds.going()
    rounds.start()
    rounds.stop(grace=20)
    count = len(made)
    assert not rounds.going()
    threading.Event().wait(0.05)
    assert len(made) == count


def test_the_first_round_may_come_at_once_and_the_next_one_late() -> None:
    at_once = threading.Event()
    made: list[int] = []

    def step() -> None:
        made.append(1)
        at_once.set()

    rounds = Rounds("testing", step, pause=600.0, first=0.0)
    rounds.start()
    assert at_once.wait(20)
    rounds.stop(grace=20)
    assert made == [1]
