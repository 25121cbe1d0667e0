"""How long to wait before the next try: doubling, capped, jittered. Chance and times come from outside.

Two clocks wait on their own. A delivery that failed waits for itself, so that one unlucky study does not
stand in the way of the others; a destination that failed several times in a row rests as a whole, so that its
queue is not burnt attempt by attempt (promise 10). After each rest it is asked whether it answers, and then one
delivery tries.
"""

from dataclasses import dataclass
from datetime import timedelta

from proxy.waits import doubled

RESTS_AFTER = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """DELIVERY_PAUSE, DELIVERY_PAUSE_MAX, DELIVERY_LEASE; and DELIVERY_AT_ONCE, where a destination says nothing."""

    pause: timedelta
    pause_max: timedelta
    lease: timedelta
    at_once: int = 1


def pause(tries: int, pace: Pace, chance: float) -> timedelta:
    """The wait after so many failed tries in a row; `chance` in [0, 1) takes off up to half of it."""
    return doubled(pace.pause, pace.pause_max, tries) * (1 - chance / 2)


def rest(failures: int, pace: Pace, chance: float) -> timedelta | None:
    """How long a destination rests after so many failed attempts in a row; None while it need not."""
    if failures < RESTS_AFTER:
        return None
    return pause(failures - RESTS_AFTER + 1, pace, chance)


def room(failures: int, at_once: int, pace: Pace) -> int:
    """How many deliveries may run at once, 0 meaning as everywhere: a destination in trouble is tried by one."""
    return 1 if failures >= RESTS_AFTER else at_once or pace.at_once
