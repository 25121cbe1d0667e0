"""A house with three destinations, of which one stands behind a gate; and what its rows say of deliveries."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests import cluster
from tests.backend.uploads import TOKEN
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open
from tests.stress.gate import Gate
from tests.stress.receivers import Receiver, a_folder, a_pacs, a_platform, a_service

QUICK = {
    "DICOM_STUDY_TIMEOUT": "1",
    "DELIVERY_LEASE": "5",
    "DELIVERY_PAUSE": "1",
    "DELIVERY_PAUSE_MAX": "2",
    "UPLOAD_RETRY_DELAY": "0",
    "UPLOAD_MAX_RETRIES": "1",
}
KINDS = ("dimse", "dicomweb", "backend")
MORTAL = {
    "dimse": "kind: dimse, node: MORTAL",
    "dicomweb": "kind: dicomweb, url: 'http://127.0.0.1:{port}/dicom-web'",
    "backend": "kind: backend",
}
SITE = """
projects: [{{name: default}}]
nodes:
  - {{name: CT_EAST, ae_title: CT_EAST, host: 127.0.0.1, port: 11104, may: [store]}}
  - {{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {archive}}}
  - {{name: MORTAL, ae_title: ARCHIVE, host: 127.0.0.1, port: {port}}}
destinations:
  - {{name: archive, kind: dimse, node: ARCHIVE}}
  - {{name: outbox, kind: folder, path: outbox}}
  - {{name: mortal, {mortal}}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: [archive, outbox, mortal]}}]
"""


@dataclass(frozen=True)
class Scene:
    """`mortal` stands behind the gate; the others never fail."""

    house: House
    gate: Gate
    mortal: Receiver
    others: tuple[Receiver, ...]

    @property
    def receivers(self) -> tuple[Receiver, ...]:
        return (self.mortal, *self.others)


@contextmanager
def a_scene(house: House, folder: Path, kind: str, **settings: str) -> Iterator[Scene]:
    """It listens and works when this begins."""
    with ExitStack() as stack:
        mortal, archive = stack.enter_context(_receiver(kind, folder)), stack.enter_context(a_pacs())
        gate = stack.enter_context(Gate(mortal.port))
        house.env.update(QUICK | settings)
        if kind == "backend":
            house.env.update(ITH_URL=f"http://127.0.0.1:{gate.port}", ITH_TOKEN=TOKEN)
        said = {"archive": archive.port, "port": gate.port, "mortal": MORTAL[kind].format(port=gate.port)}
        configure(house, SITE.format(**said))
        for command in ("listen", "work"):
            house.start(command)
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        yield Scene(house, gate, mortal, (archive, a_folder(house.data / "outbox")))


def _receiver(kind: str, folder: Path) -> AbstractContextManager[Receiver]:
    makes: dict[str, Callable[[], AbstractContextManager[Receiver]]] = {
        "dimse": a_pacs,
        "dicomweb": a_service,
        "backend": partial(a_platform, folder / "there"),
    }
    return makes[kind]()


def configure(house: House, site: str) -> None:
    path = house.folder / "site.yaml"
    path.write_text(site)
    result = house.command("configure", str(path))
    assert result.returncode == 0, result.stdout + result.stderr


def a_house(folder: Path, database: str, **settings: str) -> House:
    """With an empty database of its own."""
    folder.mkdir()
    environ = {**os.environ, "ENV_FILE": str(folder / "none.env"), "DISK_WATERMARK": "0", **settings}
    if database == "postgresql":
        environ |= cluster.settings(folder)
    house = House.build(folder, environ, cold=True)
    done = house.command("migrate")
    assert done.returncode == 0, done.stdout + done.stderr
    return house
