"""`POST /v1/anonymize` beside the engine alone: a thousand CT images, by one client and by eight at once.

The engine alone reads files and writes clean ones, in one process. The service takes them over HTTP and sends back a
ZIP that its client reads to the end; client and server share the machine. Run by `make bench-service` (RUNS=n).
"""

import http.client
import os
import re
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

from pydicom.dataset import Dataset

from proxy.deid import Engine, Subject, deidentify_file, load_recipe
from tests import cast
from tests.bench import headers, processes
from tests.bench.rounds import Sample, interleaved, runs, tell
from tests.house import House
from tests.management.test_serve import is_open, until
from tests.service.sending import form

COUNT, EACH = 1_000, 125
SUBJECT = Subject("ANON-ABCDEFGHIJKLMNOP", 100, b"k" * 32)
LINE = "/v1/anonymize"


@dataclass(frozen=True)
class Bench:
    house: House
    key: str
    images: list[Path]
    engine: Engine
    server: int

    def alone(self, folder: Path) -> Sample:
        target = folder / "clean"
        target.mkdir()
        began, used = time.perf_counter(), time.process_time()
        for number in range(COUNT):
            path = self.images[number % EACH]
            deidentify_file(path, target / f"{number}.dcm", self.engine, lambda facts: SUBJECT)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        shutil.rmtree(target)
        return Sample(COUNT, seconds, used)

    def served(self, pool: Pool, clients: int) -> Sample:
        used, began = processes.cpu(self.server), time.perf_counter()
        with ThreadPoolExecutor(clients) as threads:
            asked = [(self.house.api_port, self.key)] * (COUNT // EACH)
            sizes = list(threads.map(lambda one: pool.apply(ask, one), asked))
        seconds = time.perf_counter() - began
        if min(sizes) < EACH * 512 * 512 * 2:
            raise SystemExit("An answer was too short.")
        return Sample(COUNT, seconds, processes.cpu(self.server) - used)


BODY: list[tuple[bytes, str]] = []


def prepare(paths: list[Path]) -> None:
    """In each client, before anything is timed."""
    BODY[:] = [form([path.read_bytes() for path in paths])]


def ask(port: int, key: str) -> int:
    body, kind = BODY[0]
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    line.request("POST", LINE, body, {"X-API-Key": key, "Content-Type": kind})
    answer = line.getresponse()
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    if answer.status != 200 or answer.headers["X-Files-Processed"] != str(EACH):
        raise SystemExit(f"A request was answered with {answer.status}.")
    line.close()
    return size


def opened(folder: Path, environ: dict[str, str]) -> Bench:
    house = House.build(folder, environ, cold=True)
    for words in (("migrate",), ("customer", "add", "bench", "--tier", "enterprise")):
        said = house.command(*words)
        if said.returncode:
            raise SystemExit(said.stdout + said.stderr)
    found = re.search(r"postern-[0-9a-f]{8}-[\w-]+", said.stdout)
    if found is None:
        raise SystemExit("There is no key.")
    images = [cast.save(_ct(number), folder) for number in range(1, EACH + 1)]
    process = house.start("web", DISK_WATERMARK="0", SERVICE_AT_ONCE="8")
    until(lambda: is_open(house.api_port))
    return Bench(house, found[0], images, Engine(load_recipe("basic")), process.pid)


def _ct(number: int) -> Dataset:
    image = headers.ct(number)
    cast._pixels(image, 512, number)
    return image


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = opened(folder, dict(os.environ))
        try:
            with get_context("fork").Pool(8, prepare, (bench.images,)) as pool:
                acts = {
                    "1 client": partial(bench.served, pool, 1),
                    "8 clients": partial(bench.served, pool, 8),
                    "the engine alone": partial(bench.alone, folder),
                }
                took = interleaved(acts, runs(5))
                for clients in ("1 client", "8 clients"):
                    tell(
                        "A thousand CT images of 525 KB",
                        {one: took[one] for one in (clients, "the engine alone")},
                    )
        finally:
            bench.house.close()


if __name__ == "__main__":
    main()
