"""Ports that are free now and still will be when somebody listens at them.

Whoever asks the system for one gets it from those that it also gives to outgoing connections, of which other processes
of the suite open thousands: until a server that is being started listens, somebody else may sit there. So these come
from below that range, each process of a run has its own share, and none is given twice.
"""

import itertools
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

FIRST = 10_240
SHARES = 16
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def take() -> int:
    return next(port for port in _ours if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _share(number: int, end: int) -> range:
    size = (end - FIRST) // SHARES
    begin = FIRST + number % SHARES * size
    return range(begin, begin + size)


def _end() -> int:
    """Where those for outgoing connections begin."""
    try:
        return max(int(RANGE.read_text().split()[0]), FIRST + 1000 * SHARES)
    except (OSError, ValueError):
        return 32_768


def _from_anywhere(share: range) -> Iterator[int]:
    """Not from its beginning: another run of the suite may go on beside this one."""
    begin = secrets.randbelow(len(share))
    return itertools.cycle([*share[begin:], *share[:begin]])


_ours = _from_anywhere(_share(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")), _end()))
