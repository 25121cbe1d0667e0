"""What a process and all it started have used: CPU to the nanosecond, memory as the kernel counts it. Linux only."""

import os
import threading
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(*roots: int) -> set[int]:
    """These processes and everything below them."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found and Path(f"/proc/{pid}").exists():
            found.add(pid)
            waiting += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    try:
        files = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for file in files for child in file.read_text().split()]
    except OSError:
        return []  # it ended while we looked


def cpu(*roots: int) -> float:
    """Seconds that the trees have used, those of children that ended included."""
    return sum(_clock(pid) + _ended(pid) for pid in tree(*roots))


def _clock(pid: int) -> float:
    """The CPU clock of another process (see clock_getcpuclockid): /proc/PID/stat tells hundredths only."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _ended(pid: int) -> float:
    """What its children used that ended and were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / TICK


def resident(*roots: int) -> int:
    """Bytes in memory; pages that processes share count for each of them."""
    return sum(_resident(pid) for pid in tree(*roots))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


class Peak:
    """The most memory that a tree has while we look, every 20 ms: `with Peak(pid) as peak: ...; peak.bytes`."""

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.before = self.bytes = resident(*roots)

    def __enter__(self) -> "Peak":
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, resident(*self._roots))
