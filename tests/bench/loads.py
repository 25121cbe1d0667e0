"""What is sent in benchmarks: images with the headers of `headers.py` and whole pixels, made as fast as written.

An image is encoded once, with UIDs and a Patient ID of fixed length; each further one is the same bytes with others
in their place. Files are named `CLASS-INSTANCE.dcm` and lie in memory where that is possible, so that reading and
clearing them costs the disk nothing while others are measured on it.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count as counter
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from tests import cast
from tests.bench import headers

MEMORY = Path("/dev/shm")
ENOUGH = 8 << 30  # bytes free there: the largest load, twice
FIRST = 10_000_000  # so that every number has as many digits
_numbers = counter(FIRST + 1)


@dataclass(frozen=True, slots=True)
class Stencil:
    """An encoded image to put numbers into."""

    sop_class: str
    header: bytes
    pixels: bytes

    @classmethod
    def of(cls, image: Dataset) -> "Stencil":
        for keyword, value in _marks(FIRST, FIRST).items():
            setattr(image, keyword, value)
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        data = cast.part10(image)
        tail = len(image.get("PixelData", b""))
        return cls(str(image.SOPClassUID), data[: len(data) - tail], data[len(data) - tail :])

    def write(self, folder: Path, study: int) -> Path:
        instance = next(_numbers)
        header, marks = self.header, _marks(study, instance)
        for keyword, blank in _marks(FIRST, FIRST).items():
            header = header.replace(blank.encode(), marks[keyword].encode())
        path = folder / f"{self.sop_class}-{marks['SOPInstanceUID']}.dcm"
        with path.open("wb") as file:
            file.writelines((header, self.pixels))
        return path


def _marks(study: int, instance: int) -> dict[str, str]:
    root = f"{cast.ROOT}.5.{study}"
    return {
        "SOPInstanceUID": f"{root}.4.{instance}",
        "SeriesInstanceUID": f"{root}.2",
        "FrameOfReferenceUID": f"{root}.3",
        "StudyInstanceUID": f"{root}.1",
        "PatientID": f"AE{study}",
    }


def _sized(image: Dataset, rows: int, frames: int = 1) -> Dataset:
    image.Rows = image.Columns = rows
    pixels = np.random.default_rng(1).integers(0, 4096, rows * rows, dtype=np.uint16)
    image.PixelData = pixels.tobytes() * frames
    return image


@cache
def stencil(name: str) -> Stencil:
    makes: dict[str, Callable[[], Dataset]] = {
        "CT": lambda: _sized(headers.ct(1), 512),
        "MR": lambda: _sized(headers.mr(1), 256),
        "enhanced": lambda: _sized(headers.enhanced_mr(1, 400), 512, 400),
        "SR": lambda: headers.report(1, 112),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # long numbers, as real ones have
        return Stencil.of(makes[name]())


def write(names: Sequence[str], folder: Path, shares: int, each: int) -> list[list[Path]]:
    """A share for each association, each a study of its own person; the names take turns in it."""
    written = []
    for _ in range(shares):
        study, into = next(_numbers), folder / str(next(_numbers))
        into.mkdir(parents=True)
        written.append([stencil(names[number % len(names)]).write(into, study) for number in range(each)])
    return written


@contextmanager
def scratch() -> Iterator[Path]:
    """Where files wait to be sent."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH and os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="postern-bench-", dir=MEMORY if roomy else None) as name:
        yield Path(name)
