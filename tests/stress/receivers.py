"""Destinations that count: how often each image came, and what a person who looks there sees at the end.

`arrived` has each image once for each time that it was taken; `visible` is what is there. Taking something twice is
fine where it is there once afterwards; whether both were the same is looked at here, too.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.presentation import StoragePresentationContexts

from tests.backend.multipart import parts
from tests.backend.serving import Reply, Request, serving
from tests.backend.uploads import Backend, a_backend
from tests.deliveries.agents.stow import in_json
from tests.journeys.help import dicom_files, uids
from tests.stress.faults import Dice, WebFaults

DUPLICATE = 0x0111
NEVER = Dice(0, share=0.0)


@dataclass
class Images:
    """What a PACS or a DICOMweb service has, by SOP Instance UID."""

    arrived: "Counter[str]" = field(default_factory=Counter)
    digests: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    busy: threading.Lock = field(default_factory=threading.Lock)

    def take(self, uid: str, data: bytes) -> bool:
        """False: it is there already."""
        digest = hashlib.sha256(data).hexdigest()
        with self.busy:
            self.arrived[uid] += 1
            known = self.digests.setdefault(uid, digest)
            if known != digest:
                self.changed.add(uid)
            return self.arrived[uid] == 1

    def visible(self) -> list[str]:
        return sorted(self.digests)


@dataclass(frozen=True)
class Receiver:
    """`visible` and `arrived` as above; `url` or `port` is where it is."""

    name: str
    port: int
    visible: Callable[[], list[str]]
    arrived: Callable[[], int]
    changed: Callable[[], set[str]] = set
    dice: Dice = NEVER


@contextmanager
def a_pacs(dice: Dice = NEVER) -> Iterator[Receiver]:
    """Takes each image, however often; says that it is full, or hangs up before or after it took one."""
    images = Images()

    def on_store(event: Any) -> int:
        fault = dice.fault("full", "hangs up", "hangs up after")
        if fault == "full":
            return 0xA700
        if fault != "hangs up":
            images.take(str(event.request.AffectedSOPInstanceUID), event.encoded_dataset(False))
        if fault:
            event.assoc.abort()
        return 0x0000

    ae = AE(ae_title="ARCHIVE")
    ae.supported_contexts = StoragePresentationContexts
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    assert server is not None
    try:
        port: int = server.socket.getsockname()[1]
        yield Receiver("pacs", port, images.visible, images.arrived.total, lambda: images.changed, dice)
    finally:
        server.shutdown()


@contextmanager
def a_service(dice: Dice = NEVER) -> Iterator[Receiver]:
    """DICOMweb: takes no image twice, and says so of each (PS3.18 I.2.2)."""
    images = Images()

    def answers(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, b"[]", "application/dicom+json")
        found = [(_uid(part.content), part.content) for part in parts(request)]
        fresh = [uid for uid, content in found if images.take(uid, content)]
        known = [(uid, DUPLICATE) for uid, _ in found if uid not in fresh]
        status = 200 if not known else 202 if fresh else 409
        return Reply(status, json.dumps(in_json(fresh, known)).encode(), "application/dicom+json")

    with serving(answers) as server:
        server.faults = WebFaults(dice)
        yield Receiver(
            "service",
            int(server.url.rpartition(":")[2]),
            images.visible,
            images.arrived.total,
            lambda: images.changed,
            dice,
        )


def _uid(content: bytes) -> str:
    return str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)


@contextmanager
def a_platform(folder: Path, dice: Dice = NEVER) -> Iterator[Receiver]:
    """The reference backend: one archive for each study and revision, however often it is uploaded."""
    with a_backend(folder) as (server, there):
        server.faulty = "/upload"
        server.faults = WebFaults(dice)
        port = int(server.url.rpartition(":")[2])
        yield Receiver("backend", port, lambda: _in_archives(there), lambda: there.uploads, dice=dice)


def _in_archives(there: Backend) -> list[str]:
    """By their manifests, after each file in them was read through by its checksum."""
    found = []
    for one in list(there.archives.values()):
        members, said = one.members(), one.manifest()
        for file in said["files"]:
            assert hashlib.sha256(members[file["name"]]).hexdigest() == file["sha256"]
        found += [file["sop_instance_uid"] for file in said["files"]]
    return sorted(found)


def a_folder(folder: Path) -> Receiver:
    return Receiver("outbox", 0, lambda: sorted(uids(dicom_files(folder))), lambda: len(dicom_files(folder)))
