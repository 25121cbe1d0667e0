"""The whole way in, over real associations: C-STORE until Success, by DCMTK's storescu as the sender.

Ours de-identifies, seals, makes durable and commits to the index; Orthanc stores what it is sent (SyncStorageArea),
DCMTK's storescp writes files and nothing else. Receivers take turns, every image is new; medians of rounds, images a
second, and CPU of the receiver for each image. Prints, asserts nothing. Run by `make bench`.
"""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from tests import cast
from tests.cluster import free_port
from tests.house import House
from tests.peers.orthanc import Orthanc
from tests.tools import debian

HERE = "127.0.0.1"
ROUNDS = 3
LOADS: dict[str, tuple[Callable[..., Dataset], int, int]] = {
    "CT 525 KB": (cast.ct, 512, 120),
    "MR 132 KB": (cast.mr, 256, 240),
}
ASSOCIATIONS = (1, 4)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Receiver:
    name: str
    port: int
    called: str
    processes: list[int]

    def cpu(self) -> float:
        """Seconds that its processes have used."""
        fields = (Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self.processes)
        return sum((int(one[11]) + int(one[12])) / TICKS for one in fields)


def study(folder: Path, make: Callable[..., Dataset], size: int, number: int, count: int) -> list[Path]:
    """Folders of files, as many as associations will send them."""
    folder.mkdir(parents=True)
    plan = cast.StudyPlan(number=number)
    return [cast.save(make(plan, instance, size=size), folder) for instance in range(1, count + 1)]


def send(receiver: Receiver, files: list[Path], associations: int) -> float:
    """Seconds until everybody has heard Success."""
    parts = [files[number::associations] for number in range(associations)]
    words = [debian("storescu"), "-aet", cast.CT_EAST, "-aec", receiver.called, HERE, str(receiver.port)]
    started = time.perf_counter()
    running = [
        subprocess.Popen([*words, *map(str, part)], env={**os.environ, "TCP_NODELAY": "1"}) for part in parts
    ]
    codes = [one.wait() for one in running]
    if any(codes):
        raise RuntimeError(f"{receiver.name} refused an image")
    return time.perf_counter() - started


def answers(port: int) -> bool:
    words = [debian("echoscu"), "-aec", cast.DICOMRCV, HERE, str(port)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def ours(folder: Path) -> tuple[Receiver, House]:
    folder.mkdir()
    house = House.build(folder, {**os.environ, "ENV_FILE": str(folder / "none.env"), "DISK_WATERMARK": "0"})
    process = house.start("listen")
    while not answers(house.dicom_port):
        time.sleep(0.2)
    return Receiver("Postern", house.dicom_port, cast.DICOMRCV, [process.pid]), house


def storescp(folder: Path) -> tuple[Receiver, "subprocess.Popen[bytes]"]:
    folder.mkdir()
    port = free_port()
    words = [debian("storescp"), "--fork", "--bit-preserving", "-od", str(folder), str(port)]
    process = subprocess.Popen(words, env={**os.environ, "TCP_NODELAY": "1"}, stdout=subprocess.DEVNULL)
    time.sleep(1)
    return Receiver("storescp", port, "ANY", []), process


def measure(receivers: list[Receiver], folder: Path) -> None:
    number = 1
    for load, (make, size, count) in LOADS.items():
        for associations in ASSOCIATIONS:
            seen: dict[str, list[tuple[float, float]]] = {one.name: [] for one in receivers}
            for _ in range(ROUNDS):
                for one in receivers:
                    number += 1
                    files = study(folder / str(number), make, size, number, count)
                    before = one.cpu()
                    seconds = send(one, files, associations)
                    seen[one.name].append((count / seconds, (one.cpu() - before) / count * 1e3))
            tell(load, associations, seen)


def tell(load: str, associations: int, seen: dict[str, list[tuple[float, float]]]) -> None:
    middle = {
        name: [statistics.median(row) for row in zip(*rows, strict=True)] for name, rows in seen.items()
    }
    mine = middle["Postern"][0]
    for name, (rate, cpu) in middle.items():
        said = f"{cpu:5.2f} ms CPU an image" if cpu else ""
        print(f"{load}  {associations} at once  {name:9} {rate:7.1f}/s  ours {mine / rate:4.2f}x  {said}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as name:
        folder = Path(name)
        postern, house = ours(folder / "postern")
        plain, process = storescp(folder / "storescp")
        orthanc = Orthanc(folder / "orthanc", {"SyncStorageArea": True, "OverwriteInstances": False})
        try:
            theirs = Receiver("Orthanc", orthanc.dicom_port, cast.ARCHIVE, [orthanc.process.pid])
            measure([postern, theirs, plain], folder / "images")
        finally:
            house.close()
            orthanc.close()
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
