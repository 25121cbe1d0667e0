"""`make stress-dead`: what a dead destination costs the sender and the two others, for each way in which it is dead.

Rounds with a destination that lives and with one that is dead take turns, in one house. A round sends STUDIES studies
of two images over one association; what counts is how fast they were taken, and how long after its quiet time each was
at the two others. After each round the dead one returns, and gets everything, once. Prints Markdown; exits 1 only
where something was lost or doubled. DEAD=dimse,dicomweb,backend RUNS=3 STUDIES=20.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from tests import cast
from tests.bench.bench_gateway import percentile
from tests.bench.gateways import moment
from tests.bench.receivers import disk
from tests.bench.rounds import chosen, interleaved, runs
from tests.house import House
from tests.journeys import help as journey
from tests.stress.gate import DEAD, Way
from tests.stress.scene import KINDS, Scene, a_house, a_scene
from tests.stress.storm import judge

OTHERS = """SELECT y.finished_at, r.quiet_at FROM deliveries_delivery y JOIN studies_revision r ON r.id = y.revision_id
JOIN routing_destination d ON d.id = y.destination_id WHERE d.name <> 'mortal' AND y.id > {after}"""
LAST = "SELECT coalesce(max(id), 0) FROM deliveries_delivery"
TITLE = """
| the third destination ({kind}) | images/s taken | of that with it alive | at the others after | p95 | rounds |
|---|---|---|---|---|---|"""
_numbers = count(1)


@dataclass(frozen=True)
class Turn:
    rate: float  # images a second, as the sender sees it
    waits: list[float]  # seconds after the quiet time until the others had each study


def turn(scene: Scene, way: Way, studies: int, folder: Path) -> Turn:
    files = list(_files(folder, studies))
    last = journey.count(scene.house, LAST)
    scene.gate.become(way)
    began = time.perf_counter()
    if not journey.sent_safely(scene.house, *files):
        raise RuntimeError("an image was not taken")
    seconds = time.perf_counter() - began
    waiting = partial(_waits, scene.house, last)
    journey.wait_until(lambda: len(waiting()) >= 2 * studies, f"the others have all while it is {way}")
    scene.gate.become(Way.OPEN)
    journey.wait_until(lambda: journey.all_delivered(scene.house, 1), f"what was {way} has all", 300)
    for path in files:
        path.unlink()
    return Turn(len(files) / seconds, waiting())


def _files(folder: Path, studies: int) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    for _ in range(studies):
        plan = cast.StudyPlan(number=next(_numbers))
        yield from (cast.save(cast.ct(plan, one), folder) for one in (1, 2))


def _waits(house: House, after: int) -> list[float]:
    found = journey.rows(house, OTHERS.format(after=after))
    times = [(moment(finished), moment(quiet)) for finished, quiet in found]
    return [finished - quiet for finished, quiet in times if finished]


def tell(table: dict[str, list[Turn]]) -> None:
    alive = table[Way.OPEN]
    for way, turns in table.items():
        each = [one.rate / other.rate for one, other in zip(turns, alive, strict=True)]
        waits = sorted(wait for one in turns for wait in one.waits)
        rate, share = statistics.median(one.rate for one in turns), statistics.median(each)
        print(
            f"| {'alive' if way == Way.OPEN else way} | {rate:.0f} | {share:.2f} ({min(each):.2f} to {max(each):.2f})"
            f" | {statistics.median(waits):.2f} s | {percentile(waits, 95):.2f} s | {len(turns)} |",
            flush=True,
        )


def measure(kind: str, folder: Path) -> bool:
    folder.mkdir()
    house, studies = a_house(folder / "house", "sqlite"), int(os.environ.get("STUDIES") or 20)
    try:
        with a_scene(house, folder, kind, DICOM_STUDY_TIMEOUT="2") as scene:
            print(TITLE.format(kind=kind))
            acts: dict[str, Callable[[], Turn]] = {
                way: partial(turn, scene, way, studies, folder / "scanner") for way in (Way.OPEN, *DEAD)
            }
            acts[Way.OPEN]()  # for warmth
            tell(interleaved(acts, runs()))
            judge(house, scene.receivers)
    except AssertionError as trouble:
        print(f"DOES NOT HOLD: {trouble}", flush=True)
        return False
    finally:
        house.close()
    return True


def main() -> int:
    folder = disk()
    hold = [measure(kind, folder / kind) for kind in chosen("DEAD", KINDS)]
    return 0 if all(hold) else 1


if __name__ == "__main__":
    sys.exit(main())
