"""Who plays in the tests of the wire: a door that remembers, images of Ada Example, and DCMTK's tools."""

import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from proxy.network.door import Caller, Rejection, Reply, StoreCommand
from proxy.network.scu import Outgoing
from tests import ports

SUCCESS = Reply(0x0000)
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


@dataclass
class Bag:
    """A sink that keeps what it is fed."""

    caller: Caller
    command: StoreCommand
    reply: Callable[["Bag"], Reply]
    pieces: list[bytes] = field(default_factory=list)
    ended: str = ""

    def feed(self, view: memoryview) -> None:
        self.pieces.append(bytes(view))

    def finish(self) -> Reply:
        self.ended = "finished"
        return self.reply(self)

    def abort(self) -> None:
        self.ended = "aborted"

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


@dataclass
class Guest:
    """A door that lets everybody in unless told otherwise, and keeps every bag it handed out."""

    rejection: Rejection | None = None
    reply: Callable[[Bag], Reply] = lambda bag: SUCCESS
    make: Callable[..., Any] = Bag
    callers: list[Caller] = field(default_factory=list)
    bags: list[Any] = field(default_factory=list)
    echoes: list[Caller] = field(default_factory=list)
    farewells: list[str] = field(default_factory=list)  # the threads on which they were said

    def admit(self, caller: Caller) -> Rejection | None:
        self.callers.append(caller)
        return self.rejection

    def begin(self, caller: Caller, command: StoreCommand) -> Any:
        bag = self.make(caller, command, self.reply)
        self.bags.append(bag)
        return bag

    def echoed(self, caller: Caller) -> None:
        self.echoes.append(caller)

    def left(self) -> None:
        self.farewells.append(threading.current_thread().name)


def image(number: int = 1, rows: int = 64, sop_class: str = CTImageStorage, **extra: Any) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.77.{number}"
    dataset.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.77"
    dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.77.0"
    dataset.PatientName, dataset.PatientID = "Example^Ada", "AE-4711"
    dataset.Modality, dataset.InstanceNumber = "CT", number
    dataset.Rows = dataset.Columns = rows
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = struct.pack(f"<{rows * rows}H", *(i % 4096 for i in range(rows * rows)))
    for name, value in extra.items():
        setattr(dataset, name, value)
    return dataset


def write(dataset: Dataset, folder: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    path = folder / f"{dataset.InstanceNumber}-{generate_uid()}.dcm"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


def outgoing(
    dataset: Dataset, folder: Path, ordinal: int = 0, syntax: str = ExplicitVRLittleEndian
) -> Outgoing:
    path = write(dataset, folder, syntax)
    return Outgoing(ordinal, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(syntax), path)


def run(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [tool, *(str(argument) for argument in arguments)]
    return subprocess.run(
        command,
        env=ENVIRONMENT,
        text=True,
        check=False,
        timeout=150,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def free_port() -> int:
    return ports.take()


@contextmanager
def storescp(
    folder: Path, *options: object, ae_title: str = "ARCHIVE", nodelay: bool = True
) -> Iterator[int]:
    """DCMTK's archive on a free port, writing into the folder."""
    port = free_port()
    command = [
        "storescp",
        "-aet",
        ae_title,
        "-od",
        str(folder),
        *(str(option) for option in options),
        str(port),
    ]
    environ = {**ENVIRONMENT, "TCP_NODELAY": "01"[nodelay]}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(lambda: _open(port))
            yield port
        finally:
            process.terminate()


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def threads_named(part: str) -> int:
    return sum(part in thread.name for thread in threading.enumerate())
