"""What somebody writes in an afternoon: a gateway of stock pynetdicom and pydicom, to be compared with.

It decodes each image, replaces what a short list of tags says, saves it and sends it on, over one association for
as long as images come. It seals nothing, keeps no index, syncs nothing and never looks into a sequence, so it does
much less than a gateway has to. `python -m tests.bench.plain FOLDER PORT` serves until its standard input ends.
"""

import os
import queue
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydicom import config
from pydicom.dataset import Dataset
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.presentation import build_context

HERE = "127.0.0.1"
EMPTIED = (
    "AccessionNumber", "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "OperatorsName",
    "StationName", "StudyDescription", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers",
    "PatientComments", "AdditionalPatientHistory", "RequestingPhysician", "PhysiciansOfRecord", "StudyID",
)  # fmt: skip
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
Waiting = queue.Queue[Dataset]


def cleaned(ds: Dataset) -> Dataset:
    ds.remove_private_tags()
    for keyword in EMPTIED:
        if keyword in ds:
            setattr(ds, keyword, "")
    for keyword in UIDS:
        if keyword in ds:
            setattr(ds, keyword, f"2.25.{int(_digest(ds[keyword].value)[:30], 16)}")
    ds.PatientID = ds.PatientName = f"ANON-{_digest(ds.PatientID)[:16]}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def _digest(value: str) -> str:
    return sha256(f"secret {value}".encode()).hexdigest()


def stored(event: Any, folder: Path, waiting: Waiting) -> int:
    ds = event.dataset
    ds.file_meta = event.file_meta
    ds = cleaned(ds)
    ds.save_as(folder / f"{ds.SOPInstanceUID}.dcm")
    waiting.put(ds)
    return 0x0000


def sending(port: int, waiting: Waiting) -> None:
    ae = AE("PLAIN")
    ae.requested_contexts = [build_context(f"1.2.840.10008.5.1.4.1.1.{kind}") for kind in (2, 4)]
    while True:
        ds: Dataset | None = waiting.get()
        association = ae.associate(HERE, port)
        while ds is not None:
            while association._is_paused:  # else its own thread may still wake up and take the next answer
                time.sleep(0.0005)
            if association.send_c_store(ds).Status != 0:
                os._exit(1)
            ds = _next(waiting)
        association.release()


def _next(waiting: Waiting) -> Dataset | None:
    """None after a while without any."""
    try:
        return waiting.get(timeout=0.5)
    except queue.Empty:
        return None


def main(folder: str, port: str) -> None:
    config.settings.reading_validation_mode = config.IGNORE
    waiting: Waiting = queue.Queue(64)
    ae = AE("PLAIN")
    ae.supported_contexts = StoragePresentationContexts
    ae.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_C_STORE, stored, [Path(folder), waiting])]
    server = ae.start_server((HERE, 0), block=False, evt_handlers=handlers)
    threading.Thread(target=sending, args=(int(port), waiting), daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
