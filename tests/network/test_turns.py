"""What is done for the next image while the peer makes up its answer for this one."""

from pathlib import Path

import pytest

from proxy.network.giving import Offer, Restored, Withheld
from proxy.network.turns import Early, Turn, turns

IMAGE = Restored("1.2", "1.2.3", "1.2.840.10008.1.2.1", iter([b""]))


def offer(name: str, calls: list[str] | None = None) -> Offer:
    def restore() -> Restored:
        assert calls is not None
        calls.append(name)
        return IMAGE

    return Offer("1.2", name, "1.2.840.10008.1.2.1", Path(name), None if calls is None else restore)


def test_a_file_knows_the_one_that_follows() -> None:
    found = list(turns(iter([offer("a"), offer("b")])))
    assert [(turn.offer.path.name, turn.next_file, turn.restore) for turn in found] == [
        ("a", Path("b"), None),
        ("b", None, None),
    ]
    assert list(turns(iter([]))) == []


def test_an_original_is_restored_once_early_or_in_its_turn() -> None:
    calls: list[str] = []
    first, second = turns(iter([offer("a", calls), offer("b", calls)]))
    assert (calls, first.next_file, first.next_restore) == ([], None, second.restore)
    assert _restore(first) is IMAGE
    assert first.next_restore is not None
    first.next_restore.begin()
    assert calls == ["a", "b"]
    assert _restore(second) is IMAGE
    assert calls == ["a", "b"]


def _restore(turn: Turn) -> Restored:
    assert turn.restore is not None
    return turn.restore()


def test_what_goes_wrong_early_is_told_in_its_turn() -> None:
    def restore() -> Restored:
        raise Withheld("NoSeal")

    early = Early(restore)
    early.begin()
    with pytest.raises(Withheld):
        early()


def test_what_interrupts_us_interrupts_us_at_once() -> None:
    def restore() -> Restored:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Early(restore).begin()
