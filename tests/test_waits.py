"""A wait doubles, from its first span to its longest, however often was tried."""

from datetime import timedelta

import pytest

from proxy.waits import doubled

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(-1, 1), (0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)]
)
def test_it_doubles_up_to_its_bound(tries: int, seconds: int) -> None:
    assert doubled(SECOND, 60 * SECOND, tries) == seconds * SECOND
    assert doubled(1.0, 60.0, tries) == seconds
