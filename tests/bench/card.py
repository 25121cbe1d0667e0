"""The throughput card: images a second and the 99th percentile of a C-STORE, by modality mix, peers beside us.

Postern's are de-identified, sealed, synced and committed; Orthanc's are stored and synced, storescp's are written.
Four associations, each a study of its own; every C-STORE is timed by our sender. Prints a Markdown table for
docs/performance.md. `make card RUNS=5 MIXES=CT,mixed DATABASES=sqlite MINUTES=9`.
"""

import os
import shutil
import statistics
from datetime import date
from functools import partial
from pathlib import Path

from tests.bench import loads
from tests.bench.bench_gateway import by_ours, percentile
from tests.bench.receivers import Receiver, disk, everybody
from tests.bench.rounds import Budget, chosen, interleaved, runs

ASSOCIATIONS = 4
MIXES: dict[str, tuple[str, list[str], int]] = {  # what it is, what takes turns in it, images in a turn
    "CT": ("CT 512x512", ["CT"], 200),
    "MR": ("MR 256x256", ["MR"], 400),
    "SR": ("SR of 20 KB", ["SR"], 400),
    "mixed": ("12 CT, 6 MR, 2 SR", ["CT", "MR", "CT", "CT", "MR", "CT", "CT", "SR", "CT", "MR"] * 2, 240),
    "enhanced": ("enhanced MR of 210 MB", ["enhanced"], 4),
}
Seen = tuple[float, list[float]]


def turn(receiver: Receiver, names: list[str], count: int, folder: Path) -> Seen:
    receiver.empty()
    sample, latencies = by_ours(receiver, loads.write(names, folder, ASSOCIATIONS, count // ASSOCIATIONS))
    shutil.rmtree(folder)
    if receiver.stored() < count:
        raise RuntimeError(f"{receiver.name} said Success and kept fewer images")
    receiver.empty()
    return sample.rate, latencies


def told(turns: list[Seen]) -> str:
    rate = statistics.median(rate for rate, _ in turns)
    every = [seconds * 1e3 for _, latencies in turns for seconds in latencies]
    return f"{rate:.{0 if rate > 20 else 1}f}/s, {percentile(every, 99):.0f} ms"


def card(receivers: list[Receiver], folder: Path) -> None:
    mixes = chosen("MIXES", MIXES)
    budget = Budget(len(mixes))
    print(
        f"{date.today()}, {os.cpu_count()} cores, {ASSOCIATIONS} associations; images a second, p99 of C-STORE\n"
    )
    print(f"| mix | {' | '.join(one.name for one in receivers)} |")
    print("|---" * (len(receivers) + 1) + "|")
    for mix in mixes:
        title, names, count = MIXES[mix]
        acts = {one.name: partial(turn, one, names, count, folder / "images") for one in receivers}
        table = interleaved(acts, runs(), budget.share())
        print(f"| {title} | {' | '.join(told(table[one.name]) for one in receivers)} |", flush=True)


def main() -> None:
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    with everybody(disk(), databases) as receivers, loads.scratch() as images:
        card(receivers, images)


if __name__ == "__main__":
    main()
