"""How long to wait before the next try to reach the backend: doubling, capped, jittered, without end."""

from typing import Final

from proxy.waits import doubled

FIRST: Final = 1.0  # seconds
LONGEST: Final = 60.0


def pause_after(failures: int, chance: float) -> float:
    """Seconds after so many failures in a row; `chance` in [0, 1) takes off up to half, so that gateways spread."""
    return doubled(FIRST, LONGEST, failures) * (1 - chance / 2)
