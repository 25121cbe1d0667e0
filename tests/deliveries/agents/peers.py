"""DICOM peers on free loopback ports: DCMTK's storescp, and one of pynetdicom that answers what it is told to."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.presentation import StoragePresentationContexts

from proxy.deliveries.parcel import Wire
from proxy.network.scu import Peer
from tests.cluster import free_port
from tests.tools import debian


def a_wire(port: int, ae_title: str = "ARCHIVE") -> Wire:
    peer = Peer(ae_title, "127.0.0.1", port, acse_timeout=60, dimse_timeout=60, network_timeout=60)
    return Wire(peer)


@contextmanager
def storescp(folder: Path, *options: str, port: int = 0) -> Iterator[int]:
    """DCMTK's storage SCP; files appear in the folder under their SOP Instance UIDs."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    command = [
        debian("storescp"),
        "-q",
        "+xa",
        "-uf",
        "-od",
        str(folder),
        "-aet",
        "ARCHIVE",
        *options,
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _await(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("storescp did not start.")


@contextmanager
def answering(status_for: Callable[[str], int]) -> Iterator[tuple[int, list[str]]]:
    """A peer that answers each SOP Instance UID with this status; also the UIDs it heard, in order."""
    heard: list[str] = []

    def on_store(event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        heard.append(uid)
        return status_for(uid)

    ae = AE(ae_title="ARCHIVE")
    ae.supported_contexts = StoragePresentationContexts
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    assert server is not None
    try:
        yield server.socket.getsockname()[1], heard
    finally:
        server.shutdown()
