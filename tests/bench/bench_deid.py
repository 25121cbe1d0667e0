"""What it costs to take an identity out: our engine beside dicom-anonymizer and dicognito, bytes to bytes.

Parse, de-identify, seal and encode against parse, de-identify and encode: the peers seal nothing and hunt for nothing.
CPU time, medians of interleaved rounds over a series of images that differ as real ones do. Run by `make bench`.
"""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from dicognito.anonymizer import Anonymizer
from dicomanonymizer import anonymize_dataset
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid import Engine, Subject, deidentify, load_recipe, split
from tests import cast
from tests.bench import headers

ROUNDS, SERIES = 7, 8
SUBJECT = Subject("ANON-ABCDEFGHIJKLMNOP", 100, b"k" * 32)
LOADS: dict[
    str, tuple[Callable[[int], Dataset], int]
] = {  # and how often ours runs for each time of a peer's
    "CT": (headers.ct, 20),
    "MR": (headers.mr, 20),
    "enhanced MR": (headers.enhanced_mr, 10),
    "SR": (headers.report, 5),
}
Work = Callable[[bytes], object]


def ours(engine: Engine) -> Work:
    def work(raw: bytes) -> bytes:
        parts = split(raw)
        clean = deidentify(parts.dataset, parts.syntax, engine, lambda facts: SUBJECT)
        return clean.meta + b"".join(clean.rest)

    return work


def peer(anonymize: Callable[[Dataset], object]) -> Work:
    def work(raw: bytes) -> None:
        ds = dcmread(BytesIO(raw))
        anonymize(ds)
        ds.save_as(BytesIO())

    return work


def engine_of(**said: str) -> Engine:
    """`basic`, but for what is said: reports are let through, or there were nothing to measure."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        lines = {"name": "bench", "extends": "basic", "structured-reports": "clean", **said}
        path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
        return Engine(load_recipe(str(path)))


def milliseconds(work: Work, images: list[bytes], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        for raw in images:
            work(raw)
    return (time.process_time() - start) / times / len(images) * 1e3


def sealing(engine: Engine, images: list[bytes]) -> float:
    """Share of the seal: the one part that can be run again by itself."""
    spent = 0.0
    for raw in images:
        parts = split(raw)
        work = engine.begin(parts.syntax)
        work.feed(parts.dataset)
        work.end()
        work.settle(SUBJECT)
        work.finish()
        work.forget()  # its MAC is finished once
        start = time.process_time()
        for _ in range(20):
            work._seal()
        spent += (time.process_time() - start) / 20
    return spent / len(images) * 1e3


def measure(name: str, make: Callable[[int], Dataset], often: int) -> None:
    images = [cast.part10(make(number)) for number in range(1, SERIES + 1)]
    elements = sum(1 for _ in dcmread(BytesIO(images[0])).iterall())
    engine = engine_of()
    works: dict[str, tuple[Work, list[bytes], int]] = {
        "ours": (ours(engine), images, often),
        "no hunting": (ours(engine_of(hunting="false")), images, often),
        "dicom-anonymizer": (peer(anonymize_dataset), images[:2], 1),
        "dicognito": (peer(Anonymizer().anonymize), images[:2], 1),
    }
    taken: dict[str, list[float]] = {key: [] for key in works}
    for _ in range(ROUNDS):
        for key, (work, some, times) in works.items():
            taken[key].append(milliseconds(work, some, times))
    median = {key: statistics.median(values) for key, values in taken.items()}
    mine = median["ours"]
    print(
        f"{name:12} {elements:5} elements   ours {mine:7.3f} ms"
        f"   dicom-anonymizer {median['dicom-anonymizer']:7.2f} ms {median['dicom-anonymizer'] / mine:5.1f}x"
        f"   dicognito {median['dicognito']:7.2f} ms {median['dicognito'] / mine:5.1f}x"
        f"   hunting {1 - median['no hunting'] / mine:4.0%}   sealing {sealing(engine, images) / mine:4.0%}"
    )


def main() -> None:
    warnings.simplefilter("ignore")
    for name, (make, often) in LOADS.items():
        measure(name, make, often)


if __name__ == "__main__":
    main()
