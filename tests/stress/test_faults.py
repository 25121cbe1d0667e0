"""One in ten is one in ten, and the same again for the same seed."""

from tests.stress.faults import Dice, WebFaults


def test_one_request_in_ten_goes_wrong() -> None:
    dice = Dice(4711)
    faults = WebFaults(dice)
    wrong = sum(bool(faults) and faults.popleft() is not None for _ in range(2000))
    assert 150 < wrong == dice.thrown.total() < 250
    assert len(dice.thrown) == 6


def test_a_fault_waits_until_it_is_taken() -> None:
    faults = WebFaults(Dice(1, share=1.0))
    assert faults and faults and len(faults) == 1


def test_nothing_goes_wrong_where_nothing_shall() -> None:
    assert not any(WebFaults(Dice(1, share=0.0)) for _ in range(100))


def test_the_same_seed_throws_the_same() -> None:
    one, other = Dice(7), Dice(7)
    assert [one.fault("a", "b") for _ in range(100)] == [other.fault("a", "b") for _ in range(100)]
