"""Whole gateways for benchmarks: each is sent images, takes the identity out and sends them on to one storescp.

Nobody's waiting counts. Postern waits until a study has been quiet (DICOM_STUDY_TIMEOUT=2 here) and looks for work
once a second, so its second half is the time in which a delivery was being attempted, by its own records. Orthanc
would wait for StableAge and an operator's script; ours asks the moment the images are there, two studies at once as
there are two cores, and its second half is from the first request to the last image at the destination. The plain
gateway sends each image on at once, so nothing is taken off.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from tests import cast
from tests.bench import null
from tests.bench.receivers import HERE, Receiver, house, storescp, wait_for
from tests.house import House
from tests.journeys.help import rows
from tests.peers.orthanc import Orthanc

PATIENCE = 120.0
SITE = """
projects: [{{name: default, recipe: bench.yaml}}]
nodes: [{{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {port}, may: [find]}}]
destinations: [{{name: archive, kind: dimse, node: ARCHIVE}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [archive]}}]
"""


class Gateway(Protocol):
    front: Receiver

    def before(self) -> None:
        """A turn begins."""

    def rest(self, sent_at: float, count: int) -> float:
        """Seconds of work from the last Success until the destination has all; `sent_at`: when that was."""


@dataclass
class Destination:
    """A storescp that keeps what it gets."""

    receiver: Receiver

    def has(self, count: int) -> bool:
        return self.receiver.stored() >= count

    def wait(self, count: int) -> float:
        """When it wrote the last of so many images, in seconds since 1970."""
        until(lambda: self.has(count), f"{count} images at the destination")
        time.sleep(0.1)
        return float(max(path.stat().st_mtime for path in self.receiver.images()))


def until(true: Any, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.02)


@dataclass
class Postern:
    front: Receiver
    house: House
    destination: Destination
    done: int = 0  # attempts of earlier turns

    def before(self) -> None:
        self.done = max((number for number, _, _ in self._attempts()), default=0)

    def rest(self, sent_at: float, count: int) -> float:
        self.destination.wait(count)
        until(self._is_idle, "the end of the deliveries")
        return busy([(began, ended) for _, began, ended in self._attempts()])

    def _is_idle(self) -> bool:
        return all(ended for _, _, ended in self._attempts())

    def _attempts(self) -> list[tuple[int, float, float]]:
        asked = f"SELECT id, started_at, ended_at FROM deliveries_attempt WHERE id > {self.done}"
        return [
            (int(str(number)), moment(began), moment(ended))
            for number, began, ended in rows(self.house, asked)
        ]


def moment(value: object) -> float:
    """0 for what has not come yet."""
    return datetime.fromisoformat(str(value)).timestamp() if value else 0.0


def busy(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of them was on."""
    total, seen = 0.0, 0.0
    for began, ended in sorted(spans):
        total += max(ended - max(began, seen), 0.0)
        seen = max(seen, ended)
    return total


@contextmanager
def postern(folder: Path, database: str, destination: Destination) -> Iterator[Postern]:
    site = SITE.format(port=destination.receiver.port)
    with house(folder / f"postern-{database}", database, site, DICOM_STUDY_TIMEOUT="2") as (built, servers):
        roots = (built.start("listen").pid, built.start("work").pid, *servers)
        wait_for(built.dicom_port)
        front = Receiver(
            f"Postern, {database}", built.dicom_port, cast.DICOMRCV, roots, built.data / "studies"
        )
        yield Postern(front, built, destination)


@dataclass
class Anonymizer:
    """Orthanc, and the script beside it."""

    front: Receiver
    server: Orthanc
    destination: Destination
    known: set[str] = field(default_factory=set)

    def before(self) -> None:
        self.known = set(self.server.get("/studies"))

    def rest(self, sent_at: float, count: int) -> float:
        began = time.time()
        fresh = set(self.server.get("/studies")) - self.known
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._pass_on, fresh))
        return self.destination.wait(count) - began

    def _pass_on(self, study: str) -> None:
        clean = self._post(f"/studies/{study}/anonymize", {"Synchronous": True})
        self._post("/modalities/archive/store", {"Resources": [clean["ID"]], "Synchronous": True})

    def _post(self, path: str, body: object) -> Any:
        request = urllib.request.Request(
            f"http://{HERE}:{self.server.http_port}{path}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())


@contextmanager
def orthanc(folder: Path, destination: Destination) -> Iterator[Anonymizer]:
    more = {
        "SyncStorageArea": True,
        "OverwriteInstances": False,
        "DicomModalities": {"archive": ["ARCHIVE", HERE, destination.receiver.port]},
    }
    server = Orthanc(folder, more)
    try:
        roots = (server.process.pid,)
        front = Receiver("Orthanc", server.dicom_port, cast.ARCHIVE, roots, folder / "db")
        yield Anonymizer(front, server, destination)
    finally:
        server.close()


@dataclass
class Plain:
    front: Receiver
    destination: Destination

    def before(self) -> None:
        return None

    def rest(self, sent_at: float, count: int) -> float:
        return max(self.destination.wait(count) - sent_at, 0.0)


@contextmanager
def plain(folder: Path, destination: Destination) -> Iterator[Plain]:
    folder.mkdir()
    with null.child("tests.bench.plain", str(folder), str(destination.receiver.port)) as process:
        front = Receiver("pydicom", process.port, "PLAIN", (process.pid,), folder)
        yield Plain(front, destination)


@contextmanager
def archive(folder: Path) -> Iterator[Destination]:
    with storescp(folder) as receiver:
        yield Destination(receiver)
