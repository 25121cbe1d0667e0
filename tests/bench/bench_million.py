"""Reception into an index of a million images, beside an empty one: two houses alike take turns.

Rows are synthesised (`fill.py`), with seals as long as real ones: some gigabytes of database, a minute or two of
filling. Prints Markdown, asserts nothing. `make bench-million RUNS=5 DATABASES=sqlite COUNT=1000000 MINUTES=6`.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests import cast
from tests.bench import loads
from tests.bench.bench_gateway import SIZES, by_storescu
from tests.bench.receivers import Receiver, disk, house, wait_for
from tests.bench.rounds import Budget, Sample, chosen, interleaved, ratios, runs

LOADS = {"CT": 160, "MR": 320}
AT_ONCE = (1, 4)
EMPTY, FULL = "empty", "full"
TITLE = """
| database | load | associations | empty | with {count:,} images | full : empty, by round | rounds |
|---|---|---|---|---|---|---|"""


def turn(receiver: Receiver, load: str, associations: int, folder: Path) -> Sample:
    receiver.empty()
    shares = loads.write([load], folder, associations, LOADS[load] // associations)
    sample = by_storescu(receiver, shares)
    shutil.rmtree(folder)
    return sample


def one_house(stack: ExitStack, folder: Path, database: str, images: Path, count: int) -> Receiver:
    """Ready to receive, after `count` images; each load has been there before."""
    built, servers = stack.enter_context(house(folder, database))
    roots = (built.start("listen").pid, *servers)
    wait_for(built.dicom_port)
    name = FULL if count else EMPTY
    receiver = Receiver(name, built.dicom_port, cast.DICOMRCV, roots, built.data / "studies")
    for load in LOADS:
        turn(receiver, load, 1, images / "first")
    if count:
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.bench.fill", str(count)]
        subprocess.run(command, env={**built.env, "PYTHONPATH": "."}, check=True)
        print(f"<!-- {database}: filled in {time.monotonic() - began:.0f} s -->", flush=True)
    return receiver


def measure(database: str, folder: Path, images: Path, count: int, budget: Budget) -> None:
    with ExitStack() as stack:
        both = [
            one_house(stack, folder / f"{database}-{rows}", database, images, rows) for rows in (0, count)
        ]
        for load in LOADS:
            for associations in AT_ONCE:
                acts = {one.name: partial(turn, one, load, associations, images / "sent") for one in both}
                table = interleaved(acts, runs(5), budget.share())
                tell(f"| {database} | {load} {SIZES[load]} | {associations}", table)


def tell(start: str, table: dict[str, list[Sample]]) -> None:
    empty, full = (statistics.median(one.rate for one in table[name]) for name in (EMPTY, FULL))
    each = ratios(table[FULL], table[EMPTY])
    middle = f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
    print(f"{start} | {empty:.1f}/s | {full:.1f}/s | {middle} | {len(each)} |", flush=True)


def main() -> None:
    folder, count = disk(), int(os.environ.get("COUNT") or 1_000_000)
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    with loads.scratch() as images:
        print(TITLE.format(count=count))
        budget = Budget(len(databases) * len(LOADS) * len(AT_ONCE))
        for database in databases:
            measure(database, folder, images, count, budget)


if __name__ == "__main__":
    main()
