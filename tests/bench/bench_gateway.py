"""The whole way in, over real associations: C-STORE until Success.

Ours (all its processes) de-identifies, seals, makes durable and commits to the index; Orthanc stores what it is sent,
DCMTK's storescp writes files; `receivers.py` says what each of them promises. They take turns, every image is new,
each association sends a study of its own. DCMTK's storescu gives images a second and CPU; a sender of ours that
times every C-STORE gives latencies; what is large is sent by ours alone.

Memory is the sum over processes, so what they share (libraries, PostgreSQL's buffers) counts several times; growth is
the median of the turns. Prints Markdown, asserts nothing. Each of these may be left out:
`make bench-gateway RUNS=5 LOADS=CT,MR,SR,enhanced ASSOCIATIONS=1,4,16 DATABASES=sqlite,postgresql MINUTES=9`
"""

import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests import cast
from tests.bench import loads, timed
from tests.bench.processes import Peak
from tests.bench.receivers import HERE, TCP_NODELAY, Receiver, disk, everybody
from tests.bench.rounds import Budget, Sample, chosen, interleaved, runs
from tests.tools import debian

LOADS = {"CT": (120, 160, 160), "MR": (240, 320, 320), "SR": (240, 320, 320), "enhanced": (1, 4, 16)}
AT_ONCE = ("1", "4", "16")
SIZES = {"CT": "525 KB", "MR": "132 KB", "SR": "20 KB", "enhanced": "MR 210 MB"}
LARGE = ("enhanced",)
TITLE = """
| load | associations | receiver | images/s | ours | p50 | p99 | CPU an image | peak memory (growth) | rounds |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Turn:
    rate: Sample
    latencies: list[float]
    peak: int
    grown: int


def by_storescu(receiver: Receiver, shares: Sequence[Sequence[Path]]) -> Sample:
    """Until the last of them has heard Success."""
    words = [debian("storescu"), "-aet", cast.CT_EAST, "-aec", receiver.called, HERE, str(receiver.port)]
    used, began = receiver.cpu(), time.perf_counter()
    running = [subprocess.Popen([*words, *map(str, share)], env=TCP_NODELAY) for share in shares]
    codes = [one.wait() for one in running]
    if any(codes):
        raise RuntimeError(f"{receiver.name} refused an image")
    seconds = time.perf_counter() - began
    return Sample(sum(map(len, shares)), seconds, receiver.cpu() - used)


def by_ours(receiver: Receiver, shares: Sequence[Sequence[Path]]) -> tuple[Sample, list[float]]:
    used = receiver.cpu()
    sent = timed.send(receiver.port, receiver.called, [share[0].parent for share in shares])
    return Sample(len(sent.latencies), sent.seconds, receiver.cpu() - used), sent.latencies


def turn(receiver: Receiver, load: str, associations: int, count: int, folder: Path) -> Turn:
    receiver.empty()
    each = max(count // associations, 1)
    with Peak(*receiver.roots) as peak:
        sample, latencies = by_ours(receiver, loads.write([load], folder, associations, each))
        shutil.rmtree(folder)
        if load not in LARGE:
            sample = by_storescu(receiver, loads.write([load], folder, associations, each))
            shutil.rmtree(folder)
    if receiver.stored() < sample.count:
        raise RuntimeError(f"{receiver.name} said Success and kept fewer images")
    receiver.empty()
    return Turn(sample, latencies, peak.bytes, peak.bytes - peak.before)


def measure(receivers: list[Receiver], folder: Path) -> None:
    cells = [
        (load, int(at_once), LOADS[load][AT_ONCE.index(at_once)])
        for load in chosen("LOADS", LOADS)
        for at_once in chosen("ASSOCIATIONS", AT_ONCE)
    ]
    budget = Budget(len(cells))
    print(TITLE)
    for load, associations, count in cells:
        acts = {
            one.name: partial(turn, one, load, associations, count, folder / "images") for one in receivers
        }
        tell(load, associations, interleaved(acts, runs(), budget.share()))


def tell(load: str, associations: int, table: dict[str, list[Turn]]) -> None:
    first = statistics.median(one.rate.rate for one in next(iter(table.values())))
    for name, turns in table.items():
        rate = statistics.median(one.rate.rate for one in turns)
        cpu = statistics.median(one.rate.cpu_ms for one in turns)
        latencies = [seconds * 1e3 for one in turns for seconds in one.latencies]
        peak, grown = (
            max(one.peak for one in turns) / 1e6,
            statistics.median(one.grown for one in turns) / 1e6,
        )
        print(
            f"| {load} {SIZES[load]} | {associations} | {name} | {rate:.1f} | {first / rate:.2f}x"
            f" | {percentile(latencies, 50):.1f} ms | {percentile(latencies, 99):.1f} ms"
            f" | {cpu:.2f} ms | {peak:.0f} MB (+{grown:.0f}) | {len(turns)} |",
            flush=True,
        )


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    ranked = sorted(values)
    return ranked[max(-(-len(ranked) * percent // 100) - 1, 0)]


def main() -> None:
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    with everybody(disk(), databases) as receivers, loads.scratch() as images:
        measure(receivers, images)


if __name__ == "__main__":
    main()
