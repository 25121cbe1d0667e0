"""How long to wait before the next try: doubling, up to a bound. Chance, and what a peer asks for, come on top."""

from datetime import timedelta
from typing import Final, TypeVar

DOUBLINGS: Final = 20
"""However often it was tried: nobody wants a number of a thousand digits."""
Span = TypeVar("Span", float, timedelta)


def doubled(first: Span, longest: Span, tries: int) -> Span:
    """After so many tries in vain: `first` after one, and after none."""
    return min(longest, first * (1 << min(max(tries, 1) - 1, DOUBLINGS)))
