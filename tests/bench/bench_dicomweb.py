"""DICOMweb: QIDO-RS among many studies, and WADO-RS of one study beside Orthanc's plugin.

For QIDO-RS an index of 100,000 studies is synthesised on PostgreSQL (`fill_studies.py`) and asked in turns by Patient
ID, by a day, by a page of everything. For WADO-RS both hold the same study of CT images, as stored and as metadata;
one connection asks, and throws away what it is given. Medians, and ratios of turns in one run. Prints, asserts nothing.
`make bench-dicomweb STUDIES=100000 IMAGES=300 RUNS=5`.
"""

import http.client
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests import cast
from tests.bench import loads, processes
from tests.bench.bench_gateway import by_storescu
from tests.bench.bench_retrieve import clean_study, study_of
from tests.bench.receivers import HERE, Receiver, disk, house, wait_for
from tests.bench.rounds import Sample, interleaved, runs, tell
from tests.house import ROOT, House
from tests.journeys.help import rows
from tests.management.test_serve import is_open
from tests.network.people import wait_for as until
from tests.peers.test_orthanc_dicomweb import orthanc_of

SITE = """
projects: [{name: default, recipe: bench.yaml}]
nodes:
- {name: READER, ae_title: READER, host: 127.0.0.1, port: 104, may: [find, retrieve]}
- {name: CLIN, ae_title: CLIN, host: 127.0.0.1, port: 104, may: [find, retrieve], view: identified,
   networks: [127.0.0.1/32], projects: [default], grant: {purpose: measuring, until: 2099-01-01}}
routes: [{called_ae: DICOMRCV, project: default, destinations: []}]
"""
FREELY = {"DICOMWEB_REQUESTS_PER_MINUTE": "0", "IDENTITY_PERSONS_PER_HOUR": "0"}
RELATED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
JSON = "application/dicom+json"
TOKEN = re.compile(r"postern_[A-Za-z0-9_-]{43}")
Turn = Callable[[], tuple[Sample, list[float]]]


@dataclass(frozen=True)
class Asked:
    """One who is asked over HTTP: where, with which login, and the processes that answer."""

    port: int
    root: str
    headers: dict[str, str]
    pids: tuple[int, ...]

    def get(self, line: http.client.HTTPConnection, path: str, accept: str) -> int:
        """Bytes of the answer."""
        line.request("GET", self.root + path, headers={**self.headers, "Accept": accept})
        answer, size = line.getresponse(), 0
        while piece := answer.read(1 << 20):
            size += len(piece)
        if answer.status != 200:
            raise RuntimeError(f"{self.root}{path} answers {answer.status}")
        return size

    def turn(self, paths: list[str], accept: str, count: int) -> tuple[Sample, list[float]]:
        """All of these over one connection; and how long each took, in ms."""
        line, waits = http.client.HTTPConnection(HERE, self.port), []
        before, began = processes.cpu(*self.pids), time.perf_counter()
        for path in paths:
            start = time.perf_counter()
            self.get(line, path, accept)
            waits.append((time.perf_counter() - start) * 1e3)
        seconds, used = time.perf_counter() - began, processes.cpu(*self.pids) - before
        line.close()
        return Sample(count, seconds, used), waits


def token(built: House, node: str) -> dict[str, str]:
    said = built.command("token", "make", node).stdout
    return {"Authorization": f"Bearer {TOKEN.findall(said)[0]}"}


@contextmanager
def web(built: House) -> Iterator[int]:
    process = built.start("web")
    until(lambda: is_open(built.api_port), 60)
    yield process.pid


# --- QIDO-RS --------------------------------------------------------------------------------------


def searches(folder: Path, count: int) -> None:
    with house(folder / "many", "postgresql", SITE, **FREELY) as (built, servers), web(built) as pid:
        words = [sys.executable, "-m", "tests.bench.fill_studies", str(count)]
        subprocess.run(words, cwd=ROOT, env=built.env, check=True)
        asked = Asked(built.api_port, "/dicomweb", token(built, "READER"), (pid, *servers))
        some = range(0, count, max(count // 20, 1))
        patients = [
            f"/studies?PatientID={patient}"
            for number in some
            for (patient,) in rows(
                built, f"SELECT patient FROM studies_study WHERE accession = 'SYN{number}'"
            )
        ]
        days = [f"/studies?StudyDate=20{10 + n % 9}03{n + 1:02}" for n in range(20)]
        questions = {
            "by Patient ID": patients,
            "by a day": days,
            "the newest 100": ["/studies?limit=100"] * 20,
            "100 in the middle": [f"/studies?limit=100&offset={count // 2}"] * 5,
        }
        acts: dict[str, Turn] = {
            kind: partial(asked.turn, paths, JSON, len(paths)) for kind, paths in questions.items()
        }
        for act in acts.values():
            act()  # nobody's first time is measured
        print(f"QIDO-RS among {count} studies, PostgreSQL")
        for kind, turns in interleaved(acts, runs(5)).items():
            waits = [one for _, every in turns for one in every]
            used = statistics.median(sample.cpu_ms for sample, _ in turns)
            median, slowest = statistics.median(waits), max(waits)
            print(f"    {kind:18} median {median:7.1f} ms, slowest {slowest:7.1f} ms, CPU {used:6.1f} ms")


# --- WADO-RS --------------------------------------------------------------------------------------


def retrievals(folder: Path, images: Path, count: int) -> None:
    with house(folder / "one", "sqlite", SITE, **FREELY) as (built, _):
        listener = built.start("listen")
        wait_for(built.dicom_port)
        server = orthanc_of(folder / "orthanc")
        try:
            share = loads.write(["CT"], images / "sent", 1, count)
            pids, kept = (server.process.pid,), folder / "orthanc" / "db"
            for receiver in (
                Receiver("Postern", built.dicom_port, cast.DICOMRCV, (listener.pid,), built.data / "studies"),
                Receiver("Orthanc", server.dicom_port, cast.ARCHIVE, pids, kept),
            ):
                by_storescu(receiver, share)
            until(lambda: len(rows(built, "SELECT 1 FROM studies_instance")) == count, 60)
            with web(built) as pid:
                ours = partial(Asked, built.api_port, "/dicomweb")
                compared(
                    {
                        "Postern, pseudonymous": (ours(token(built, "READER"), (pid,)), clean_study(built)),
                        "Postern, identified": (ours(token(built, "CLIN"), (pid,)), study_of(share)),
                        "Orthanc": (Asked(server.http_port, "/dicom-web", {}, pids), study_of(share)),
                    },
                    count,
                )
        finally:
            server.close()


def compared(everybody: dict[str, tuple[Asked, str]], count: int) -> None:
    """The same study, of everybody in turns."""
    for kind, path, accept in (("", "/studies/{}", RELATED), ("metadata of ", "/studies/{}/metadata", JSON)):
        acts: dict[str, Turn] = {
            who: partial(asked.turn, [path.format(study)], accept, count)
            for who, (asked, study) in everybody.items()
        }
        for act in acts.values():
            act()
        table = interleaved(acts, runs(5))
        tell(
            f"WADO-RS, {kind}a study of {count} CT images",
            {who: [one for one, _ in some] for who, some in table.items()},
        )


def main() -> None:
    folder = disk()
    chosen = os.environ.get("PART", "")
    with loads.scratch() as images:
        if chosen in ("", "wado"):
            retrievals(folder, images, int(os.environ.get("IMAGES") or 300))
        if chosen in ("", "qido"):
            searches(folder, int(os.environ.get("STUDIES") or 100_000))


if __name__ == "__main__":
    main()
