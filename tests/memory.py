"""Many senders at once, each with one large image: what the processes that receive them grow by."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests import cast
from tests.house import House
from tests.management.test_serve import is_open, processes, until
from tests.tools import debian

PIXELS = 512 * 512 * 2


@dataclass(frozen=True)
class Seen:
    before: int  # megabytes resident, all processes together
    most: int
    seconds: float
    refused: int

    @property
    def growth(self) -> int:
        return self.most - self.before


def files(folder: Path, count: int, megabytes: int) -> list[Path]:
    """Enhanced enough: one multi-frame image of a study each."""
    folder.mkdir()
    found = []
    for number in range(count):
        image = cast.mr(cast.StudyPlan(number=number + 1), 1, size=512)
        image.NumberOfFrames = frames = (megabytes << 20) // PIXELS
        image.PixelData = image.PixelData * frames
        found.append(cast.save(image, folder))
    return found


def measure(house: House, images: list[Path]) -> Seen:
    """All of them at once, an association each."""
    house.start("listen", DICOM_WORKERS="2", DICOM_MAX_ASSOCIATIONS=str(len(images)), DISK_WATERMARK="0")
    until(lambda: is_open(house.dicom_port) and _answers(house))
    time.sleep(2)  # until every process has begun
    pids = processes(house, "listen")
    before = most = _resident(pids)
    began = time.monotonic()
    words = [
        debian("storescu"),
        "-ta",
        "120",
        "-aet",
        cast.CT_EAST,
        "-aec",
        cast.DICOMRCV,
        "127.0.0.1",
        str(house.dicom_port),
    ]
    senders = [
        subprocess.Popen([*words, str(path)], env={**os.environ, "TCP_NODELAY": "1"}) for path in images
    ]
    while any(one.poll() is None for one in senders):
        most = max(most, _resident(pids))
        time.sleep(0.02)
    return Seen(before, most, time.monotonic() - began, sum(one.returncode != 0 for one in senders))


def _answers(house: House) -> bool:
    words = [debian("echoscu"), "-aec", cast.DICOMRCV, "127.0.0.1", str(house.dicom_port)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _resident(pids: list[int]) -> int:
    return sum(_one(pid) for pid in pids) // 1024


def _one(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
