from proxy.link.patience import LONGEST, pause_after


def test_pauses_double_to_a_limit_and_spread() -> None:
    assert [pause_after(number, 0.0) for number in range(1, 5)] == [1.0, 2.0, 4.0, 8.0]
    assert pause_after(10**9, 0.0) == LONGEST and pause_after(0, 0.0) == 1.0
    assert LONGEST / 2 <= pause_after(99, 0.999) < LONGEST
