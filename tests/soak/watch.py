"""Memory, descriptors and threads of every process of a house, over time."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house import House
from tests.management.test_serve import processes

COMMANDS = ("serve", "listen", "work", "web")
MOST_GROWTH = 0.10  # of memory, from the second quarter to the last
SPARE_MEGABYTES, SPARE_THINGS = 24, 6


@dataclass(frozen=True)
class Sample:
    at: float
    megabytes: float
    descriptors: int
    threads: int


class Watch:
    def __init__(self, house: House) -> None:
        self._house = house
        self._began = time.monotonic()
        self._samples: dict[str, list[Sample]] = {}

    def sample(self) -> None:
        for command in COMMANDS:
            found = [_of(pid) for pid in processes(self._house, command)]
            whole = [sum(column) for column in zip(*(one for one in found if one), strict=True)]
            if whole:
                kept = self._samples.setdefault(command, [])
                kept.append(Sample(time.monotonic() - self._began, whole[0], int(whole[1]), int(whole[2])))

    def progress(self, left: float) -> None:
        said = ", ".join(f"{name} {rows[-1].megabytes:.0f} MB" for name, rows in self._samples.items())
        print(f"\r{left / 60:5.1f} min left: {said}   ", end="", flush=True)

    def troubles(self) -> Iterator[str]:
        """What grew between the second quarter, when all is warm, and the last."""
        for name, rows in self._samples.items():
            early, late = _quarter(rows, 1), _quarter(rows, 3)
            if late.megabytes > early.megabytes * (1 + MOST_GROWTH) + SPARE_MEGABYTES:
                yield f"{name} grew from {early.megabytes:.0f} to {late.megabytes:.0f} MB"
            if late.descriptors > early.descriptors + SPARE_THINGS:
                yield f"{name} had {early.descriptors} descriptors, and has {late.descriptors}"
            if late.threads > early.threads + SPARE_THINGS:
                yield f"{name} had {early.threads} threads, and has {late.threads}"

    def tell(self) -> None:
        print(f"\n{'process':8} {'quarter':>8} {'MB':>8} {'descriptors':>12} {'threads':>8}")
        for name, rows in self._samples.items():
            for number in range(4):
                one = _quarter(rows, number)
                print(f"{name:8} {number + 1:8} {one.megabytes:8.0f} {one.descriptors:12} {one.threads:8}")
            print(f"{name:8} {_slope(rows[len(rows) // 2 :]):+.1f} MB an hour in the second half")


def _of(pid: int) -> tuple[float, float, float] | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    facts = dict(line.split(":", 1) for line in status.splitlines())
    return int(facts["VmRSS"].split()[0]) / 1024, descriptors, int(facts["Threads"])


def _quarter(rows: list[Sample], number: int) -> Sample:
    """The medians of that quarter of all samples."""
    size = max(len(rows) // 4, 1)
    part = rows[number * size : (number + 1) * size] or rows[-1:]
    return Sample(
        part[0].at,
        statistics.median(one.megabytes for one in part),
        int(statistics.median(one.descriptors for one in part)),
        int(statistics.median(one.threads for one in part)),
    )


def _slope(rows: list[Sample]) -> float:
    """Megabytes an hour, by least squares."""
    if len(rows) < 2:
        return 0.0
    slope, _ = statistics.linear_regression([one.at for one in rows], [one.megabytes for one in rows])
    return slope * 3600
