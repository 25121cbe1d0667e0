"""A 500 MB object from file to file: time and memory, beside dicom-anonymizer. Each run is a process of its own.

Also what an element costs in headers of a thousand to a hundred thousand of them. Run by `make bench`.
"""

import multiprocessing as mp
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom import dcmread

from proxy.deid import Engine, Subject, deidentify, deidentify_file, load_recipe, make_meta, split
from tests import cast
from tests.bench import headers

SIZE = 500 << 20
FRAGMENT = 1 << 20
ROUNDS = 3
SUBJECT = Subject("ANON-ABCDEFGHIJKLMNOP", 100, b"k" * 32)
NATIVE, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"


def header(syntax: str) -> bytes:
    ds = headers.enhanced_mr(1, frames=100)
    del ds.PixelData
    ds.file_meta.TransferSyntaxUID = NATIVE
    data = bytes(split(cast.part10(ds)).dataset)
    return make_meta(headers.ENHANCED_MR, "1.2.3", syntax) + data


def native(path: Path) -> None:
    with path.open("wb") as file:
        file.write(header(NATIVE) + b"\xe0\x7f\x10\x00OW\0\0" + SIZE.to_bytes(4, "little"))
        file.truncate(file.tell() + SIZE)


def encapsulated(path: Path) -> None:
    piece = b"\xfe\xff\x00\xe0" + FRAGMENT.to_bytes(4, "little") + bytes(FRAGMENT)
    with path.open("wb") as file:
        file.write(header(JPEG_2000) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0")
        for _ in range(SIZE // FRAGMENT):
            file.write(piece)
        file.write(b"\xfe\xff\xdd\xe0\0\0\0\0")


def ours(source: Path, target: Path) -> None:
    deidentify_file(source, target, Engine(load_recipe("basic")), lambda facts: SUBJECT)


def theirs(source: Path, target: Path) -> None:
    from dicomanonymizer import anonymize_dataset

    ds = dcmread(source)
    anonymize_dataset(ds)
    ds.save_as(target)


def _measured(work: Callable[[Path, Path], None], source: Path, target: Path, tell: Any) -> None:
    warnings.simplefilter("ignore")
    before = peak()
    wall, cpu = time.perf_counter(), time.process_time()
    work(source, target)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    tell.send((*spent, peak() - before))


def peak() -> float:
    """The most memory this process ever had, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def once(work: Callable[[Path, Path], None], source: Path) -> tuple[float, float, float]:
    here, there = mp.Pipe()
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        child = mp.get_context("spawn").Process(
            target=_measured, args=(work, source, Path(folder) / "out.dcm", there)
        )
        child.start()
        found: tuple[float, float, float] = here.recv()
        child.join()
    return found


def files() -> None:
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        for name, make in (("native", native), ("encapsulated", encapsulated)):
            source = Path(folder) / f"{name}.dcm"
            make(source)
            runs: dict[str, list[tuple[float, float, float]]] = {"ours": [], "dicom-anonymizer": []}
            for _ in range(ROUNDS):
                runs["ours"].append(once(ours, source))
                runs["dicom-anonymizer"].append(once(theirs, source))
            source.unlink()
            middle = {
                key: [statistics.median(column) for column in zip(*rows, strict=True)]
                for key, rows in runs.items()
            }
            for key, (wall, cpu, growth) in middle.items():
                print(
                    f"500 MB {name:12} {key:16} {wall:6.2f} s wall {cpu:6.2f} s CPU   grew by {growth:7.1f} MB"
                )
            print(f"500 MB {name:12} ratio {middle['dicom-anonymizer'][0] / middle['ours'][0]:.1f}x wall, "
                  f"{middle['dicom-anonymizer'][1] / middle['ours'][1]:.1f}x CPU")  # fmt: skip


def elements() -> None:
    """Flat text that stays and text that goes, and frames of functional groups."""
    engine = Engine(load_recipe("basic"))
    for count in (1_000, 10_000, 100_000):
        flat = b"".join(
            b"\x20\x00" + (0x6000 + n % 0x1000).to_bytes(2, "little") + b"LO\x04\x00abcd"
            for n in range(count)
        )
        frames = max(count // 37, 1)
        nested = bytes(split(cast.part10(headers.enhanced_mr(1, frames))).dataset)
        line = [f"{count:7} elements"]
        for name, data in (("flat", flat), ("frames", nested)):
            spent = []
            for _ in range(5):
                start = time.process_time()
                deidentify(data, NATIVE, engine, lambda facts: SUBJECT)
                spent.append(time.process_time() - start)
            line.append(f"{name} {statistics.median(spent) / count * 1e6:6.2f} us each")
        print("   ".join(line))


if __name__ == "__main__":
    elements()
    files()
