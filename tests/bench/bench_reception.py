"""What one image costs from the wire's buffer to the commit, without the network: milliseconds an image.

Prints CPU and wall time for CT (512x512) and MR (256x256), and the share of engine, file and transaction. It asserts
nothing: machines are noisy, so compare runs beside each other.
"""

import atexit
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SCRATCH = Path(tempfile.mkdtemp(prefix="postern-bench-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
os.environ.update(
    ENV_FILE=str(SCRATCH / "none.env"),
    DATA_DIR=str(SCRATCH / "data"),
    KEY_DIR=str(SCRATCH / "keys"),
    DJANGO_SETTINGS_MODULE="config.settings",
)

import django  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402

django.setup()

from proxy import pipeline  # noqa: E402
from proxy.deid import Subject, deidentify, split  # noqa: E402
from proxy.management import start  # noqa: E402
from proxy.network.door import Caller, StoreCommand  # noqa: E402
from proxy.reception.engines import engine_for  # noqa: E402
from tests import cast  # noqa: E402

CALLER = Caller(cast.DICOMRCV, cast.CT_EAST, "127.0.0.1", 0)
IMAGES, RUNS, PIECE = 60, 5, 65_536
Make = Callable[..., Dataset]


def encoded(make: Make, size: int, study: int) -> list[tuple[StoreCommand, bytes]]:
    plan = cast.StudyPlan(number=study)
    found = []
    for number in range(1, IMAGES + 1):
        image = make(plan, number, size=size)
        part = split(cast.part10(image))
        command = StoreCommand(str(image.SOPClassUID), str(image.SOPInstanceUID), part.syntax, 1, None, None)
        found.append((command, bytes(part.dataset)))
    return found


def receive(images: list[tuple[StoreCommand, bytes]]) -> None:
    door, close = pipeline.open_reception()
    for command, data in images:
        sink = door.begin(CALLER, command)
        for at in range(0, len(data), PIECE):
            sink.feed(memoryview(data)[at : at + PIECE])
        assert sink.finish().status == 0
    close()


def engine_only(images: list[tuple[StoreCommand, bytes]]) -> None:
    engine, subject = engine_for("basic"), Subject("ANON-AAAAAAAAAAAAAAAA", 100, bytes(32))
    for command, data in images:
        deidentify(data, command.transfer_syntax, engine, lambda _: subject)


def measure(
    work: Callable[[list[tuple[StoreCommand, bytes]]], None], make: Make, size: int, first: int
) -> str:
    cpu, wall = [], []
    for run in range(RUNS):
        images = encoded(make, size, first + run)
        c, w = time.process_time(), time.perf_counter()
        work(images)
        cpu.append((time.process_time() - c) / IMAGES * 1000)
        wall.append((time.perf_counter() - w) / IMAGES * 1000)
    return f"cpu {statistics.median(cpu):6.2f} ms   wall {statistics.median(wall):6.2f} ms"


def main() -> None:
    start.prepare()
    for name, make, size, first in (("CT 512", cast.ct, 512, 100), ("MR 256", cast.mr, 256, 200)):
        print(f"{name}  engine alone            {measure(engine_only, make, size, first)}")
        print(f"{name}  received and committed  {measure(receive, make, size, first)}")


if __name__ == "__main__":
    main()
