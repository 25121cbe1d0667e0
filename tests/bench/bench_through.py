"""The whole gateway: C-STORE in, de-identified, C-STORE out, until the destination has every image.

Postern beside Orthanc (ingest, `/studies/{id}/anonymize`, store) and beside a plain gateway of pynetdicom and pydicom;
`gateways.py` says whose time counts from when to when. DCMTK's storescu sends, DCMTK's storescp is the destination of
all. Prints Markdown, asserts nothing. `make bench-through RUNS=5 LOADS=CT ASSOCIATIONS=1 DATABASES=sqlite MINUTES=9`.
"""

import shutil
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydicom import dcmread

from tests.bench import loads
from tests.bench.bench_gateway import SIZES, by_storescu
from tests.bench.gateways import Destination, Gateway, archive, orthanc, plain, postern
from tests.bench.receivers import disk
from tests.bench.rounds import Budget, Sample, chosen, interleaved, runs

LOADS = {"CT": 200, "MR": 400}
AT_ONCE = ("1", "4")
TITLE = """
| load | associations | gateway | images/s | ours | in | out | CPU an image | rounds |
|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Turn:
    whole: Sample
    inward: float
    outward: float


def idling(gateways: list[Gateway], seconds: float = 3.0) -> list[float]:
    """What each of them uses while it has nothing to do, in cores: waiting that does not count costs CPU, too."""
    time.sleep(1)
    before = [one.front.cpu() for one in gateways]
    time.sleep(seconds)
    return [(one.front.cpu() - used) / seconds for one, used in zip(gateways, before, strict=True)]


def turn(gateway: Gateway, idle: float, to: Destination, load: str, associations: int, folder: Path) -> Turn:
    for one in (gateway.front, to.receiver):
        one.empty()
    gateway.before()
    count = LOADS[load]
    shares = loads.write([load], folder, associations, count // associations)
    used = gateway.front.cpu()
    inward = by_storescu(gateway.front, shares).seconds
    sent_at = time.time()
    outward = gateway.rest(sent_at, count)
    waited = max(time.time() - sent_at - outward, 0.0)
    used = gateway.front.cpu() - used - idle * waited
    _look(to)
    shutil.rmtree(folder)
    return Turn(Sample(count, inward + outward, used), count / inward, count / max(outward, 1e-3))


def _look(to: Destination) -> None:
    """A gateway that changes nothing would win every race."""
    path = next(iter(to.receiver.images()))
    if str(dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"]).PatientID).startswith("AE"):
        raise RuntimeError("an image arrived with its Patient ID")


def tell(load: str, associations: int, table: dict[str, list[Turn]]) -> None:
    first = statistics.median(one.whole.rate for one in next(iter(table.values())))
    for name, turns in table.items():
        rate = statistics.median(one.whole.rate for one in turns)
        cpu = statistics.median(one.whole.cpu_ms for one in turns)
        inward, outward = (
            statistics.median(one) for one in zip(*((t.inward, t.outward) for t in turns), strict=True)
        )
        print(
            f"| {load} {SIZES[load]} | {associations} | {name} | {rate:.1f} | {first / rate:.2f}x"
            f" | {inward:.0f}/s | {outward:.0f}/s | {cpu:.2f} ms | {len(turns)} |",
            flush=True,
        )


def main() -> None:
    folder = disk()
    databases = chosen("DATABASES", ("sqlite", "postgresql"))
    cells = [(load, int(one)) for load in chosen("LOADS", LOADS) for one in chosen("ASSOCIATIONS", AT_ONCE)]
    with ExitStack() as stack:
        images = stack.enter_context(loads.scratch())
        to = stack.enter_context(archive(images / "archive"))
        gateways: list[Gateway] = [stack.enter_context(postern(folder, name, to)) for name in databases]
        gateways.append(stack.enter_context(orthanc(folder / "orthanc", to)))
        gateways.append(stack.enter_context(plain(folder / "plain", to)))
        idle = idling(gateways)
        budget = Budget(len(cells))
        print(TITLE)
        for load, associations in cells:
            acts = {
                one.front.name: partial(turn, one, used, to, load, associations, images / "sent")
                for one, used in zip(gateways, idle, strict=True)
            }
            tell(load, associations, interleaved(acts, runs(), budget.share()))


if __name__ == "__main__":
    main()
