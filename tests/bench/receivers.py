"""Who receives in benchmarks: Postern on SQLite and on PostgreSQL, Orthanc, and DCMTK's storescp, each ready to serve.

All write on the same disk. Postern answers once the image is de-identified, sealed, synced and committed; Orthanc once
it is stored and synced (`SyncStorageArea`); storescp once it has written a file that nobody has synced.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import cast, cluster
from tests.bench import processes
from tests.cluster import free_port
from tests.house import House
from tests.peers.orthanc import Orthanc
from tests.tools import debian

HERE = "127.0.0.1"
TCP_NODELAY = {**os.environ, "TCP_NODELAY": "1"}  # or Nagle costs DCMTK and Orthanc 40 ms an image
RECIPES = {
    "bench.yaml": "name: bench\nextends: basic\nstructured-reports: clean\n",  # what is held would measure nothing
    "find.yaml": "name: find\nextends: research\nrules: {AccessionNumber: keep}\n",  # it can be asked for
}


@dataclass(frozen=True)
class Receiver:
    name: str
    port: int
    called: str
    roots: tuple[int, ...]  # its processes, and whatever they start
    files: Path  # what it stores lies below

    def cpu(self) -> float:
        return processes.cpu(*self.roots)

    def stored(self) -> int:
        """How many images lie there; Orthanc's may be more."""
        return len(self.images())

    def empty(self) -> None:
        """Take its images off the disk, so that what it wrote is not written back in somebody else's turn."""
        for path in self.images():
            path.unlink(missing_ok=True)
        os.sync()

    def images(self) -> list[Path]:
        every = (path for path in self.files.rglob("*") if path.is_file())
        return [path for path in every if path.suffix != ".part" and not path.name.startswith("index")]


def disk() -> Path:
    """Where all of them write; gone with this process, but after the database's server, which it outlives."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a bench that is ended clears up, too
    folder = Path(tempfile.mkdtemp(prefix="postern-bench-"))
    folder.chmod(0o755)  # PostgreSQL's user walks through it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def everybody(folder: Path, databases: tuple[str, ...]) -> Iterator[list[Receiver]]:
    with ExitStack() as stack:
        found = [stack.enter_context(postern(folder, database)) for database in databases]
        found.append(stack.enter_context(orthanc(folder / "orthanc")))
        found.append(stack.enter_context(storescp(folder / "storescp")))
        yield found


@contextmanager
def postern(folder: Path, database: str = "sqlite", **more: str) -> Iterator[Receiver]:
    with house(folder / f"postern-{database}", database, **more) as (built, servers):
        listener = built.start("listen")
        wait_for(built.dicom_port)
        roots = (listener.pid, *servers)
        yield Receiver(f"Postern, {database}", built.dicom_port, cast.DICOMRCV, roots, built.data / "studies")


@contextmanager
def house(
    folder: Path, database: str, site: str = "", **more: str
) -> Iterator[tuple[House, tuple[int, ...]]]:
    """A configured house, and the processes of its database."""
    folder.mkdir()
    environ = {**os.environ, "ENV_FILE": str(folder / "none.env"), "DICOM_ACCEPTED_CLASSES": "all", **more}
    servers: tuple[int, ...] = ()
    if database == "postgresql":
        environ |= cluster.settings(folder, durable=True)
        servers = (int((folder / "cluster" / "postmaster.pid").read_text().split()[0]),)
    built = House.build(folder, environ, cold=True)
    try:
        for name, recipe in RECIPES.items():
            (folder / name).write_text(recipe)
        (folder / "site.yaml").write_text(site or SITE)
        for words in (("migrate",), ("configure", str(folder / "site.yaml"))):
            done = built.command(*words)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
        yield built, servers
    finally:
        built.close()


SITE = """
projects: [{name: default, recipe: bench.yaml}]
routes: [{called_ae: DICOMRCV, project: default, destinations: []}]
"""


@contextmanager
def orthanc(folder: Path) -> Iterator[Receiver]:
    server = Orthanc(folder, {"SyncStorageArea": True, "OverwriteInstances": False})
    try:
        yield Receiver("Orthanc", server.dicom_port, cast.ARCHIVE, (server.process.pid,), folder / "db")
    finally:
        server.close()


@contextmanager
def storescp(folder: Path) -> Iterator[Receiver]:
    folder.mkdir()
    port = free_port()
    words = [debian("storescp"), "--fork", "--bit-preserving", "-od", str(folder), str(port)]
    with subprocess.Popen(words, env=TCP_NODELAY, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield Receiver("storescp", port, cast.ARCHIVE, (process.pid,), folder)
        finally:
            process.terminate()


def wait_for(port: int, seconds: float = 30) -> None:
    """Until it answers an echo."""
    end = time.monotonic() + seconds
    words = [debian("echoscu"), "-aec", cast.DICOMRCV, HERE, str(port)]
    while subprocess.run(words, capture_output=True, check=False, env=TCP_NODELAY).returncode != 0:
        if time.monotonic() > end:
            raise RuntimeError(f"nobody answers on port {port}")
        time.sleep(0.1)
