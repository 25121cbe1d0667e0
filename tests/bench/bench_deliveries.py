"""Deliveries a second of small studies, and how soon after its last image a study is delivered.

To DCMTK's storescp and to the reference backend (a process of its own), by routes of their own, in turns. Rates count
the time in which a delivery was being attempted, by our own records, not the quiet time (DICOM_STUDY_TIMEOUT=2 here).
"Soon" is from the moment at which the study has been quiet for that long: what is left is ours. One study at a time for
that; a study is two images of 8 KB. Prints Markdown, asserts nothing.
`make bench-deliveries RUNS=5 DATABASES=sqlite STUDIES=60 DELIVERY_AT_ONCE=1`
"""

import os
import shutil
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from tests import cast
from tests.backend.uploads import TOKEN
from tests.bench import null
from tests.bench.bench_gateway import percentile
from tests.bench.gateways import busy, moment, until
from tests.bench.receivers import disk, house, storescp, wait_for
from tests.bench.rounds import Budget, chosen, interleaved, runs
from tests.house import House
from tests.journeys.help import rows, sent_safely

TO = {"storescp": cast.DICOMRCV, "backend": "TO_BACKEND"}
LONELY = 8  # studies of a turn that come alone
SITE = """
projects: [{{name: default, recipe: bench.yaml}}]
nodes: [{{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {port}, may: [find]}}]
destinations: [{{name: storescp, kind: dimse, node: ARCHIVE}}, {{name: backend, kind: backend}}]
routes:
  - {{called_ae: DICOMRCV, project: default, destinations: [storescp]}}
  - {{called_ae: TO_BACKEND, project: default, destinations: [backend]}}
"""
TITLE = """
| database | destination | deliveries/s | after the quiet time, median | p95 | rounds |
|---|---|---|---|---|---|"""
MADE = """SELECT y.id, a.started_at, a.ended_at, r.quiet_at, y.finished_at FROM deliveries_delivery y
JOIN deliveries_attempt a ON a.delivery_id = y.id JOIN studies_revision r ON r.id = y.revision_id
WHERE y.id > {after}"""
_numbers = count(1)


@dataclass(frozen=True)
class Turn:
    rate: float
    waits: list[float]  # seconds of studies that came alone


@dataclass(frozen=True)
class Made:
    """An attempt at a delivery, in seconds since 1970; 0 for what has not come yet."""

    delivery: int
    began: float
    ended: float
    quiet: float
    finished: float


def made(built: House, after: int) -> list[Made]:
    found = rows(built, MADE.format(after=after))
    return [Made(int(str(number)), *map(moment, times)) for number, *times in found]


def send(built: House, called: str, studies: int, folder: Path) -> list[Made]:
    """So many at once; what was tried until each of them was delivered."""
    folder.mkdir()
    plans = [cast.StudyPlan(number=next(_numbers)) for _ in range(studies)]
    files = [cast.save(cast.ct(plan, one), folder) for plan in plans for one in (1, 2)]
    last = int(str(rows(built, "SELECT coalesce(max(id), 0) FROM deliveries_delivery")[0][0]))
    if not sent_safely(built, *files, called=called):
        raise RuntimeError("an image was not taken")
    until(lambda: _delivered(made(built, last)) >= studies, f"{studies} deliveries")
    shutil.rmtree(folder)
    return made(built, last)


def _delivered(tries: list[Made]) -> int:
    return len({one.delivery for one in tries if one.finished})


def turn(built: House, called: str, studies: int, folder: Path) -> Turn:
    together = send(built, called, studies, folder)
    rate = _delivered(together) / busy([(one.began, one.ended) for one in together])
    alone = [send(built, called, 1, folder) for _ in range(LONELY)]
    return Turn(rate, [max(one.finished for one in tries) - tries[0].quiet for tries in alone])


@contextmanager
def postern(folder: Path, database: str) -> Iterator[House]:
    with ExitStack() as stack:
        archive = stack.enter_context(storescp(folder / f"archive-{database}"))
        platform = stack.enter_context(null.child("tests.bench.uploads", str(folder / f"there-{database}")))
        said = {
            "ITH_URL": f"http://127.0.0.1:{platform.port}",
            "ITH_TOKEN": TOKEN,
            "DICOM_STUDY_TIMEOUT": "2",
        }
        site = SITE.format(port=archive.port)
        built, _ = stack.enter_context(house(folder / database, database, site, **said))
        for command in ("listen", "work"):
            built.start(command)
        wait_for(built.dicom_port, 120)
        yield built


def tell(database: str, name: str, turns: list[Turn]) -> None:
    waits = [wait for one in turns for wait in one.waits]
    rate, middle = statistics.median(one.rate for one in turns), statistics.median(waits)
    print(
        f"| {database} | {name} | {rate:.1f} | {middle * 1e3:.0f} ms"
        f" | {percentile(waits, 95) * 1e3:.0f} ms | {len(turns)} |",
        flush=True,
    )


def main() -> None:
    folder, studies = disk(), int(os.environ.get("STUDIES") or 60)
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    budget = Budget(len(databases))
    print(TITLE)
    for database in databases:
        with postern(folder, database) as built:
            acts = {name: partial(turn, built, ae, studies, folder / "sent") for name, ae in TO.items()}
            for name, turns in interleaved(acts, runs(), budget.share()).items():
                tell(database, name, turns)


if __name__ == "__main__":
    main()
