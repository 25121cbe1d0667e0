"""C-FIND of a million studies on PostgreSQL: how long the first answer takes, and what memory a long answer takes.

A few studies are really received, all others are synthesised (`fill_studies.py`). Then both views are asked, over one
association each; and somebody asks for as many answers as `DICOM_FIND_MAX` lets through, while the listener's memory
is watched. Takes minutes to fill. Prints Markdown, asserts nothing. `make bench-find-million COUNT=1000000 RUNS=20`.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset

from tests import cast
from tests.bench import loads, processes
from tests.bench.asker import Asker, Heard, encoded
from tests.bench.bench_find import SITE, identifier, made, originals
from tests.bench.bench_gateway import by_storescu
from tests.bench.receivers import Receiver, disk, house, wait_for
from tests.bench.rounds import runs
from tests.house import House
from tests.journeys.help import rows
from tests.network.people import wait_for as until

REAL: Final = 200
ANSWERS: Final = 99_999
MB: Final = 1024 * 1024
TITLE = """
| question | view | first answer, median and slowest | answers | CPU a query, listener and database |
|---|---|---|---|---|"""


def questions(built: House, count: int) -> dict[str, list[dict[str, str]]]:
    """Of each kind so many that no page of the database is warm by chance."""
    some = [number * (count // 20) for number in range(20)]
    patients = [
        str(patient)
        for number in some
        for (patient,) in rows(built, f"SELECT patient FROM studies_study WHERE accession = 'SYN{number}'")
    ]
    days = [f"20{10 + number % 9}03{number + 1:02}" for number in range(20)]
    return {
        "Patient ID": [{"PatientID": one} for one in patients],
        "accession number": [{"AccessionNumber": f"SYN{number}"} for number in some],
        "a day": [{"StudyDate": one} for one in days],
        "a week": [{"StudyDate": f"{one}-{int(one) + 6}"} for one in days],
        "beginning of a name": [{"PatientName": f"ANON-{one[5:7]}*"} for one in patients],
        "middle of a name": [{"PatientName": f"*{one[9:12]}*"} for one in patients[:5]],
    }


def real_questions() -> dict[str, list[dict[str, str]]]:
    said = originals(REAL)
    return {
        "Patient ID": [{"PatientID": one} for one in said["ids"][:20]],
        "accession number": [{"AccessionNumber": one} for one in said["accessions"][:20]],
        "a day": [{"StudyDate": said["days"].partition("-")[0]}] * 3,
        "beginning of a name": [{"PatientName": said["name"]}] * 3,
    }


def tell(asker: Asker, roots: Sequence[int], view: str, asked: dict[str, list[dict[str, str]]]) -> None:
    for kind, every in asked.items():
        heard: list[Heard] = []
        asker.ask(encoded(identifier(every[0])))  # nobody's first time is measured
        before = processes.cpu(*roots)
        for keys in every[: runs(20)]:
            heard.append(asker.ask(encoded(identifier(keys))))
        used = (processes.cpu(*roots) - before) / len(heard) * 1e3
        waits = [one.first for one in heard if one.answers]
        first = f"{statistics.median(waits):.1f} ms, {max(waits):.1f} ms" if waits else "none"
        answers = sum(one.answers for one in heard)
        print(f"| {kind} | {view} | {first} | {answers} in {len(heard)} | {used:.1f} ms |", flush=True)


def long_answer(asker: Asker, listener: int) -> None:
    everything = Dataset()
    everything.QueryRetrieveLevel, everything.StudyInstanceUID = "STUDY", ""
    before, began = processes.resident(listener), time.perf_counter()
    with processes.Peak(listener) as peak:
        heard = asker.ask(encoded(everything))
    seconds = time.perf_counter() - began
    sizes = [f"{one / MB:.0f}" for one in (before, peak.bytes, processes.resident(listener))]
    rate = heard.answers / seconds
    print(f"\n{heard.answers:,} answers in {seconds:.1f} s ({rate:,.0f}/s), then 0x{heard.status:04X}.")
    print(f"Memory of the listener's processes before, at most and after: {', '.join(sizes)} MB.", flush=True)


def receive(built: House, images: Path, root: int) -> None:
    receiver = Receiver("Postern", built.dicom_port, cast.DICOMRCV, (root,), built.data / "studies")
    by_storescu(receiver, [made(REAL, images / "sent")])
    until(lambda: len(rows(built, "SELECT 1 FROM studies_study")) == REAL, 60)


@contextmanager
def filled(folder: Path, images: Path, count: int) -> Any:
    more = {"IDENTITY_PERSONS_PER_HOUR": "0", "DICOM_FIND_MAX": str(ANSWERS)}
    with house(folder / "postern", "postgresql", SITE, **more) as (built, servers):
        listener = built.start("listen")
        wait_for(built.dicom_port)
        receive(built, images, listener.pid)
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.bench.fill_studies", str(count)]
        subprocess.run(command, env={**built.env, "PYTHONPATH": "."}, check=True)
        print(f"<!-- filled in {time.monotonic() - began:.0f} s -->", flush=True)
        yield built, listener.pid, servers


def main() -> None:
    count = int(os.environ.get("COUNT") or 1_000_000)
    with loads.scratch() as images, filled(disk(), images, count) as (built, listener, servers):
        print(TITLE)
        roots = (listener, *servers)
        with Asker(built.dicom_port, cast.DICOMRCV, "READER") as asker:
            tell(asker, roots, "pseudonymous", questions(built, count))
            long_answer(asker, listener)
        with Asker(built.dicom_port, cast.DICOMRCV, "CLIN") as asker:
            print(TITLE)
            tell(asker, roots, "identified", real_questions())


if __name__ == "__main__":
    main()
