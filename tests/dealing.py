"""In which order tests run, when several processes share them.

Journeys mostly wait: for quiet times, for retries, for what was killed to come back. Left to the end, as their names
would have it, they wait beside each other while nobody works. pytest-xdist gives each process one stretch of the order
(and later half of what another has left), so each stretch gets its share of them, none at its end.
"""

import os
from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

import pytest

T = TypeVar("T")

EARLY = 0.6
"""Journeys begin in this part of a stretch."""


def deal(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The same tests; those of one file stay together in a journey, and elsewhere in their order."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    journeys = [item for item in items if item.get_closest_marker("journey")]
    others = [item for item in items if not item.get_closest_marker("journey")]
    files = [list(file) for _, file in groupby(journeys, key=lambda item: item.path)]
    hands = [[item for file in files[one::count] for item in file] for one in range(count)]
    dealt: list[pytest.Item] = []
    for one, hand in enumerate(hands):
        room = max(0, -(-len(items) * (one + 1) // count) - len(dealt) - len(hand))
        mine, others = (others[:room], others[room:]) if one < count - 1 else (others, [])
        dealt += between(hand, mine)
    return dealt


def between(some: Sequence[T], others: Sequence[T]) -> list[T]:
    """Each list in its order, the first spread evenly over the early part of the second."""
    step = EARLY * len(others) / max(1, len(some))
    turns = [(number * step, 0, number, one) for number, one in enumerate(some)]
    turns += [(float(number), 1, number, one) for number, one in enumerate(others)]
    return [one for *_, one in sorted(turns, key=lambda turn: turn[:3])]
