"""No test begins in the last seconds of a day of UTC.

What counts by the day or the month (files of a quota, marks of a token's use, days of the ledger) begins anew at
midnight, and a test that looks at it twice would find it so. Most tests are over within seconds.
"""

import time
from collections.abc import Callable
from typing import Final

DAY: Final = 86_400
ROOM: Final = 20  # seconds


def pause(now: float) -> float:
    """How long to wait, in seconds, before a test begins."""
    left = DAY - now % DAY
    return left if left <= ROOM else 0.0


def leave_behind(now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
    sleep(pause(now()))
