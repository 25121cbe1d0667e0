"""The books and the rules of alerts over years of deliveries: a house of a hundred days beside one of a thousand, of
as many deliveries a day each.

What is flat costs the same in both. Rows are synthesised (`fill_ledger.py`). Prints Markdown, asserts nothing.
`make bench-ledger RUNS=5 DATABASES=sqlite COUNT=1000000`.
"""

import json
import os
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench.bench_claiming import SITE, module, tell
from tests.bench.receivers import disk, house
from tests.bench.rounds import Budget, chosen, interleaved, runs
from tests.house import House

DAYS = {"a hundred days": 100, "a thousand days": 1_000}
TITLE = """
| database | step | {few:,} deliveries | {many:,} deliveries | many : few, by round | rounds |
|---|---|---|---|---|---|"""


def turn(built: House) -> dict[str, float]:
    """Milliseconds of each step."""
    said = json.loads(module(built, "tests.bench.bookkeeping"))
    return {name: float(one) for name, one in said.items()}


def one_house(stack: ExitStack, folder: Path, database: str, count: int, days: int) -> House:
    built, _ = stack.enter_context(house(folder, database, SITE))
    began = time.monotonic()
    module(built, "tests.bench.fill_ledger", str(count), str(days))
    filled = time.monotonic()
    closed = module(built, "tests.bench.bookkeeping", "close").strip()
    took = time.monotonic() - filled
    print(
        f"<!-- {database}: filled in {filled - began:.0f} s, {closed} days closed in {took:.0f} s -->",
        flush=True,
    )
    return built


def measure(database: str, folder: Path, count: int, until: float) -> None:
    with ExitStack() as stack:
        houses = {
            name: one_house(stack, folder / f"{database}-{days}", database, count * days // 1_000, days)
            for name, days in DAYS.items()
        }
        few, many = houses
        table = interleaved({name: partial(turn, one) for name, one in houses.items()}, runs(3), until)
        for step in table[few][0]:
            tell(database, step, [one[step] for one in table[few]], [one[step] for one in table[many]])


def main() -> None:
    folder, count = disk(), int(os.environ.get("COUNT") or 200_000)
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    budget = Budget(len(databases))
    print(TITLE.format(few=count // 10, many=count))
    for database in databases:
        measure(database, folder, count, budget.share())


if __name__ == "__main__":
    main()
