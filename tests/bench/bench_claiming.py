"""Claiming with a million finished deliveries in the table, beside an empty one: two houses alike take turns.

Rows are synthesised (`fill_deliveries.py`): a quarter of as many studies, four destinations, one attempt of each
delivery. Prints Markdown, asserts nothing. `make bench-claiming RUNS=5 DATABASES=sqlite COUNT=1000000`.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench.receivers import disk, house
from tests.bench.rounds import Budget, chosen, interleaved, runs
from tests.house import House

STUDIES = 25  # of a turn, four deliveries each
EMPTY, FULL = "empty", "full"
SITE = """
projects: [{name: default, recipe: bench.yaml}]
destinations:
  - {name: one, kind: folder, path: one}
  - {name: two, kind: folder, path: two}
  - {name: three, kind: folder, path: three}
  - {name: four, kind: folder, path: four}
routes: [{called_ae: DICOMRCV, project: default, destinations: [one, two, three, four]}]
"""
TITLE = """
| database | step | empty | with {count:,} deliveries | full : empty, by round | rounds |
|---|---|---|---|---|---|"""


def module(built: House, *words: str) -> str:
    command = [sys.executable, "-m", *words]
    return subprocess.run(
        command, env={**built.env, "PYTHONPATH": "."}, check=True, capture_output=True, text=True
    ).stdout


def turn(built: House) -> dict[str, float]:
    """Milliseconds of each step, the median of its times."""
    return {
        name: float(one)
        for name, one in json.loads(module(built, "tests.bench.claiming", str(STUDIES))).items()
    }


def one_house(stack: ExitStack, folder: Path, database: str, count: int) -> House:
    built, _ = stack.enter_context(house(folder, database, SITE))
    if count:
        began = time.monotonic()
        module(built, "tests.bench.fill_deliveries", str(count))
        print(f"<!-- {database}: filled in {time.monotonic() - began:.0f} s -->", flush=True)
    return built


def measure(database: str, folder: Path, count: int, until: float) -> None:
    with ExitStack() as stack:
        houses = {
            name: one_house(stack, folder / f"{database}-{name}", database, rows)
            for name, rows in ((EMPTY, 0), (FULL, count))
        }
        table = interleaved({name: partial(turn, one) for name, one in houses.items()}, runs(5), until)
        for step in table[EMPTY][0]:
            tell(database, step, [one[step] for one in table[EMPTY]], [one[step] for one in table[FULL]])


def tell(database: str, step: str, empty: list[float], full: list[float]) -> None:
    each = [one / other for one, other in zip(full, empty, strict=True)]
    middle = f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
    before, after = statistics.median(empty), statistics.median(full)
    print(f"| {database} | {step} | {before:.2f} ms | {after:.2f} ms | {middle} | {len(each)} |", flush=True)


def main() -> None:
    folder, count = disk(), int(os.environ.get("COUNT") or 1_000_000)
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    budget = Budget(len(databases))
    print(TITLE.format(count=count))
    for database in databases:
        measure(database, folder, count, budget.share())


if __name__ == "__main__":
    main()
