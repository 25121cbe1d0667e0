"""A study of 300 MB costs an agent a few buffers: measured as what a process of its own grows by."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.backend.serving import Server
from tests.backend.uploads import TOKEN, a_backend
from tests.deliveries.agents.stow import a_store

MOST = 32  # megabytes; measured: 0 and 8
SCRIPT = """
import sys
from pathlib import Path
from proxy.deliveries.addresses import Platform, Web
from proxy.deliveries.agents import AGENTS
from proxy.deliveries.outcomes import Delivered
from proxy.deliveries.parcel import Item, Parcel

def peak():
    # megabytes, of this program alone: ru_maxrss would begin with its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10

kind, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
to = Web(url) if kind == "dicomweb" else Platform(url, sys.argv[4], "", folder / "archives", 0, 0, 0)
paths = sorted(folder.glob("*.dcm"))
items = tuple(Item(n, "1.2", f"2.25.12{n}", "1.2.3", path, "2.25.1") for n, path in enumerate(paths))
parcel = Parcel(1, "x", kind, to, "ANON", "2.25.2", 1, len(items), False, items)
heard = []
before = peak()
outcome = AGENTS[kind](parcel, heard.extend, lambda: True)
assert isinstance(outcome, Delivered), outcome
assert heard == [0, 1, 2]
print(peak() - before)
"""


@contextmanager
def a_service(kind: str, folder: Path) -> Iterator[Server]:
    if kind == "dicomweb":
        with a_store() as (server, _):
            yield server
    else:
        with a_backend(folder) as (server, _):
            yield server


@pytest.mark.parametrize("kind", ["dicomweb", "backend"])
def test_three_hundred_megabytes_are_never_in_memory(tmp_path: Path, kind: str) -> None:
    for number in range(3):
        with (tmp_path / f"{number}.dcm").open("wb") as file:
            file.write(f"image {number}image".encode())
            file.write(
                random.Random(number).randbytes(20 << 20) if number == 0 else b""
            )  # so that the ZIP is large, too
            file.truncate(100 << 20)
    with a_service(kind, tmp_path / "there") as server:
        words = [sys.executable, "-W", "error", "-c", SCRIPT, kind, server.url, str(tmp_path), TOKEN]
        said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) < MOST
