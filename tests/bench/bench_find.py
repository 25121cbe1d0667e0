"""C-FIND beside Orthanc: both hold the same studies, one image each, and are asked the same questions in turns.

By exact Patient ID and by accession number one answer comes, by a range of dates and by the beginning of a name a
thousand. Ours is asked in both views: where the identified node says a real value, the pseudonymous one says what it is
called here; a name's beginning is the pseudonym's there. One asks over one association, and does nothing else
(`asker.py`). `make bench-find STUDIES=10000 RUNS=3`. Prints ratios, asserts nothing.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from tests import cast
from tests.bench import loads, processes
from tests.bench.asker import Asker, encoded
from tests.bench.bench_gateway import by_storescu
from tests.bench.receivers import Receiver, disk, house, wait_for
from tests.bench.rounds import Sample, interleaved, runs, tell
from tests.house import House
from tests.journeys.help import rows
from tests.network.people import wait_for as until
from tests.peers.orthanc import Orthanc

SITE = """
projects: [{name: default, recipe: find.yaml}]
nodes:
- {name: READER, ae_title: READER, host: 127.0.0.1, port: 104, may: [find]}
- {name: CLIN, ae_title: CLIN, host: 127.0.0.1, port: 104, may: [find], view: identified,
   networks: [127.0.0.1/32], projects: [default], grant: {purpose: measuring, until: 2099-01-01}}
routes: [{called_ae: DICOMRCV, project: default, destinations: []}]
"""
FIRST_DAY = date(2020, 1, 1)
EACH_DAY = 10
ONCE = 50  # questions of a turn that have one answer
FAMILIES = ("Ada", "Ben", "Cleo", "Dora", "Emil", "Fritz", "Gina", "Hugo", "Ines", "Jon")
ASKED_FOR = ("PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription")


@dataclass(frozen=True)
class Asked:
    """One who is asked, as which node, and in which words."""

    port: int
    called: str
    calling: str
    roots: tuple[int, ...]
    ids: tuple[str, ...]
    accessions: tuple[str, ...]
    days: str
    name: str

    def can_ask(self, kind: str) -> bool:
        """A recipe may have taken what the question is about."""
        return all(value for keys in self.questions(kind) for value in keys.values())

    def questions(self, kind: str) -> list[dict[str, str]]:
        return {
            "by Patient ID": [{"PatientID": one} for one in self.ids],
            "by accession": [{"AccessionNumber": one} for one in self.accessions],
            "by dates": [{"StudyDate": self.days}],
            "by name": [{"PatientName": self.name}],
        }[kind]


def made(count: int, folder: Path) -> list[Path]:
    folder.mkdir()
    return [_written(number, folder) for number in range(count)]


def _written(number: int, folder: Path) -> Path:
    name = f"{FAMILIES[number % len(FAMILIES)]}ova{number:06}^Given"
    patient = cast.Patient(name, f"PX-{number:06}", "19510317", "F", "1 Row", "555")
    day = FIRST_DAY + timedelta(days=number // EACH_DAY)
    plan = cast.StudyPlan(patient, number, f"{day:%Y%m%d}", accession=f"AX-{number:06}")
    image = cast.mr(plan)
    image.Rows = image.Columns = 8
    image.PixelData = bytes(128)
    path = folder / f"{number}.dcm"
    path.write_bytes(cast.part10(image))
    return path


def turn(asked: Asked, kind: str) -> tuple[Sample, list[float]]:
    """Answers a second, all questions of the kind over one association; and the wait for each one's first, in ms."""
    questions = [encoded(identifier(keys)) for keys in asked.questions(kind)]
    with Asker(asked.port, asked.called, asked.calling) as asker:
        before, began = processes.cpu(*asked.roots), time.perf_counter()
        heard = [asker.ask(one) for one in questions]
        seconds, used = time.perf_counter() - began, processes.cpu(*asked.roots) - before
    if not all(one.answers and one.status == 0 for one in heard):
        raise RuntimeError(f"{asked.called} does not know all of it {kind}")
    return Sample(sum(one.answers for one in heard), seconds, used), [one.first for one in heard]


def identifier(keys: dict[str, str]) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ""
    for keyword in ASKED_FOR:
        setattr(asked, keyword, keys.get(keyword, ""))
    return asked


def originals(count: int) -> dict[str, Any]:
    some = range(0, count, max(count // ONCE, 1))
    last = FIRST_DAY + timedelta(days=min(count, 1000) // EACH_DAY - 1)
    return {
        "ids": tuple(f"PX-{number:06}" for number in some),
        "accessions": tuple(f"AX-{number:06}" for number in some),
        "days": f"{FIRST_DAY:%Y%m%d}-{last:%Y%m%d}",
        "name": f"{FAMILIES[0]}*",
    }


def pseudonyms(built: House, count: int) -> dict[str, Any]:
    """What the same questions are for whoever sees pseudonyms: about as many answers."""
    found = rows(built, "SELECT patient, accession, date FROM studies_study ORDER BY id")
    some = found[:: max(count // ONCE, 1)]
    days = sorted(str(day) for _, _, day in found)[: min(count, 1000)]
    return {
        "ids": tuple(str(patient) for patient, _, _ in some),
        "accessions": tuple(str(accession) for _, accession, _ in some),
        "days": f"{days[0]}-{days[-1]}",
        "name": "ANON-A*",
    }


@contextmanager
def filled(folder: Path, images: Path, count: int) -> Iterator[dict[str, Asked]]:
    with house(folder / "postern", "sqlite", SITE, IDENTITY_PERSONS_PER_HOUR="0") as (built, _):
        listener = built.start("listen")
        wait_for(built.dicom_port)
        server = Orthanc(folder / "orthanc", {"DicomAlwaysAllowFind": True})
        try:
            mine, theirs = (listener.pid,), (server.process.pid,)
            files = made(count, images / "sent")
            for receiver in (
                Receiver("Postern", built.dicom_port, cast.DICOMRCV, mine, built.data / "studies"),
                Receiver("Orthanc", server.dicom_port, cast.ARCHIVE, theirs, folder / "orthanc" / "db"),
            ):
                for start in range(0, count, 1000):
                    by_storescu(receiver, [files[start : start + 1000]])
            until(lambda: len(rows(built, "SELECT 1 FROM studies_study")) == count, 60)
            real = originals(count)
            yield {
                "Postern, pseudonymous": Asked(
                    built.dicom_port, cast.DICOMRCV, "READER", mine, **pseudonyms(built, count)
                ),
                "Postern, identified": Asked(built.dicom_port, cast.DICOMRCV, "CLIN", mine, **real),
                "Orthanc": Asked(server.dicom_port, cast.ARCHIVE, "READER", theirs, **real),
            }
        finally:
            server.close()


def main() -> None:
    count = int(os.environ.get("STUDIES") or 10_000)
    with loads.scratch() as images, filled(disk(), images, count) as everybody:
        for kind in ("by Patient ID", "by accession", "by dates", "by name"):
            acts: dict[str, Callable[[], tuple[Sample, list[float]]]] = {
                who: partial(turn, asked, kind) for who, asked in everybody.items() if asked.can_ask(kind)
            }
            for act in acts.values():
                act()  # nobody's first time is measured
            table = interleaved(acts, runs(3))
            tell(
                f"{kind}, {count} studies",
                {who: [sample for sample, _ in some] for who, some in table.items()},
            )
            for who, some in table.items():
                first = statistics.median(wait for _, waits in some for wait in waits)
                print(f"    {who:22} first answer {first:7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
