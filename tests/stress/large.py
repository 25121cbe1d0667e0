"""`make stress-large`: a study of 5 GB goes to the backend as one ZIP; its first upload is cut at nine tenths.

The study is really received: ten images of 512 MB, whose pixels no ZIP makes smaller. What `work` holds for itself
stays under 128 MB at its highest: VmHWM without the pages of program files, which all processes of the house share.
Most of that it holds before there is anything to do; the study may add little. The archive that was cut is used again
and not made anew, and what arrives is one archive, in which each file has the digest that the manifest says.
GIGABYTES=n makes it smaller; four times as much must be free in the temporary folder. Exits 1 if something does not
hold.
"""

import hashlib
import json
import os
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests import cast
from tests.backend.faults import Drops
from tests.backend.uploads import TOKEN, Archive, a_backend
from tests.bench import processes
from tests.bench.receivers import disk
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open
from tests.stress.scene import a_house
from tests.warm import Process

MOST, MOST_FOR_A_STUDY = 128, 32  # megabytes
FRAME = 512 * 512 * 2
EACH = 1024  # frames of an image: half a gigabyte
SETTINGS = {
    "UPLOAD_MAX_RETRIES": "0",
    "DELIVERY_PAUSE": "1",
    "CLEANUP_AFTER_UPLOAD": "False",
    "DISK_WATERMARK": "0",
}
TRIES = """SELECT outcome, reason FROM deliveries_attempt ORDER BY id"""


@dataclass(frozen=True)
class Told:
    size: int  # of the archive that arrived
    before: int  # megabytes of memory before there was anything to send
    most: int
    shared: int  # of these, pages of program files
    cpu: float  # seconds that `work` used
    tries: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.size / 1e9:.2f} GB arrived after {len(self.tries)} attempts ({', '.join(self.tries)}); work had"
            f" {self.before} MB at rest, {self.most} MB at most, {self.shared} of them of program files, and used"
            f" {self.cpu:.0f} s of CPU"
        )

    def fits(self) -> bool:
        return self.most - self.shared < MOST and self.most - self.before < MOST_FOR_A_STUDY


def image(number: int, frames: int, folder: Path) -> Path:
    """A frame is longer than what deflate looks back, so that repeating it makes nothing smaller."""
    made = cast.mr(cast.StudyPlan(), number, size=512)
    made.NumberOfFrames = frames
    made.PixelData = Random(number).randbytes(FRAME) * frames
    return cast.save(made, folder)


def large(house: House, folder: Path, images: int, frames: int) -> Told:
    """Raises AssertionError for whatever is not as it should be."""
    with a_backend(folder / "there") as (server, there):
        house.env.update(SETTINGS, ITH_URL=server.url, ITH_TOKEN=TOKEN, DICOM_STUDY_TIMEOUT="5")
        server.faulty = "/upload"
        server.fail(Drops(after=images * frames * FRAME * 9 // 10))
        house.start("listen")
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        _send(house, folder / "scanner", images, frames)
        work = house.start("work")  # not before: it would close the study where a busy machine pauses
        journey.wait_until(lambda: _works(house), "work is at rest")
        before, used = _megabytes(work, "VmRSS"), processes.cpu(work.pid)
        made = _when_cut(house)
        journey.wait_until(lambda: journey.all_delivered(house, 1), "it is delivered", 3600)
        (archive,) = there.archives.values()
        assert there.uploads == 1 and _only_archive(house) == made, "the archive was made anew"
        judge(archive, images)
        tries = tuple(str(outcome) for outcome, _ in journey.rows(house, TRIES))
        most, shared = _megabytes(work, "VmHWM"), _megabytes(work, "RssFile")
        return Told(archive.path.stat().st_size, before, most, shared, processes.cpu(work.pid) - used, tries)


def _send(house: House, folder: Path, images: int, frames: int) -> None:
    folder.mkdir()
    for number in range(1, images + 1):
        path = image(number, frames, folder)
        assert journey.sent_safely(house, path)
        path.unlink()


def _works(house: House) -> bool:
    time.sleep(1.0)  # its threads begin
    return any("Working." in path.read_text() for path in house.folder.glob("work-*.out"))


def _when_cut(house: House) -> tuple[str, int, int]:
    """The archive, once its first upload has failed."""
    journey.wait_until(
        lambda: journey.rows(house, TRIES)[:1] not in ([], [("", "")]), "an upload is cut", 3600
    )
    ((outcome, _), *_) = journey.rows(house, TRIES)
    assert outcome == "later"
    return _only_archive(house)


def _only_archive(house: House) -> tuple[str, int, int]:
    (path,) = (house.data / "archives").glob("*.zip")
    return path.name, path.stat().st_mtime_ns, path.stat().st_size


def judge(archive: Archive, images: int) -> None:
    """Each file is whole, and the one that the manifest names."""
    with zipfile.ZipFile(archive.path) as members:
        said = json.loads(members.read("manifest.json"))
        assert len(said["files"]) == said["images"] == images
        assert len(members.namelist()) == images + 1
        for file in said["files"]:
            digest = hashlib.sha256()
            with members.open(file["name"]) as member:
                while piece := member.read(1 << 20):
                    digest.update(piece)
            assert digest.hexdigest() == file["sha256"]


def _megabytes(process: Process, what: str) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) >> 10


def main() -> int:
    images = max(round(float(os.environ.get("GIGABYTES") or 5) * (1 << 30) / (EACH * FRAME)), 1)
    folder, began = disk(), time.monotonic()
    house = a_house(folder / "house", "sqlite")
    try:
        told = large(house, folder, images, EACH)
        print(f"{told}; {time.monotonic() - began:.0f} s in all", flush=True)
        assert told.fits(), f"more than {MOST} MB, or more than {MOST_FOR_A_STUDY} for the study"
    except AssertionError as trouble:
        print(f"DOES NOT HOLD: {trouble}", flush=True)
        return 1
    finally:
        house.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
