"""What was decrypted is kept for minutes, not for ever, and not for all."""

import time

from proxy.vault.remembered import Remembered, forget_all


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_kept_for_so_long() -> None:
    clock = Clock()
    kept: Remembered[str, int] = Remembered(10, 5.0, clock)
    kept.put("a", 1)
    clock.now = 5.0
    assert kept.get("a") == 1
    clock.now = 5.1
    assert kept.get("a") is None
    kept.put("b", 2)
    assert len(kept) == 1


def test_so_many_are_kept_and_the_oldest_goes() -> None:
    kept: Remembered[int, int] = Remembered(3, 5.0)
    for number in (1, 2, 3, 1, 4):
        kept.put(number, number)
    assert [kept.get(number) for number in (1, 2, 3, 4)] == [1, None, 3, 4]


def test_forgetting_drops_all_of_them() -> None:
    one: Remembered[int, int] = Remembered(3, 5.0)
    other: Remembered[int, int] = Remembered(3, 5.0)
    one.put(1, 1)
    other.put(2, 2)
    forget_all()
    assert len(one) == len(other) == 0


def test_what_is_old_goes_even_if_nobody_asks_any_more() -> None:
    kept: Remembered[int, int] = Remembered(10, 0.05)
    kept.put(1, 1)
    end = time.monotonic() + 60
    while len(kept) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(kept) == 0
