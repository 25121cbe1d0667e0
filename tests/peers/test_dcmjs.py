"""dcmjs-dimse from npm, as a client and as a server: another family of implementations than DCMTK's or pynetdicom's."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from proxy.network.scu import Peer, echo, send
from tests import cast
from tests.cluster import free_port
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open, until
from tests.network.people import image, outgoing

pytestmark = pytest.mark.peers

FOLDER = Path(__file__).parent / "dcmjs"
COUNT = 5


def node(script: str, *words: object) -> list[str]:
    assert (FOLDER / "node_modules" / "dcmjs-dimse").is_dir(), "dcmjs-dimse is missing: run `make test-deps`"
    return ["node", str(FOLDER / script), *map(str, words)]


def client(port: int, *files: Path, called: str = cast.DICOMRCV) -> dict[str, Any]:
    words = node("scu.js", port, called, cast.CT_EAST, *files)
    said = subprocess.run(words, capture_output=True, text=True, timeout=150, check=False)
    return dict(json.loads(said.stdout.splitlines()[-1]))


@contextmanager
def server(folder: Path) -> Iterator[int]:
    port = free_port()
    with subprocess.Popen(node("scp.js", port, folder), stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: is_open(port))
            yield port
        finally:
            process.terminate()


def test_it_echoes_and_stores(house: House, tmp_path: Path) -> None:
    """Held against what arrives: clean files of everything it was told Success for."""
    house.start("listen")
    until(lambda: is_open(house.dicom_port))
    assert client(house.dicom_port) == {"statuses": [0], "trouble": []}
    syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    files = []
    for number in range(COUNT):
        one = cast.ct(cast.StudyPlan(), number + 1, size=256)
        one.file_meta.TransferSyntaxUID = syntaxes[number % 2]
        files.append(cast.save(one, tmp_path))
    assert client(house.dicom_port, *files) == {"statuses": [0] * COUNT, "trouble": []}
    stored = [dcmread(path) for path in journey.dicom_files(house.data / "studies")]
    assert len(stored) == COUNT
    pixels = {one.PixelData for one in stored}
    assert pixels == {dcmread(path).PixelData for path in files}
    assert journey.leaks(house, cast.NEEDLES) == set()


def test_it_understands_a_rejection(house: House) -> None:
    house.start("listen")
    until(lambda: is_open(house.dicom_port))
    assert client(house.dicom_port, called="NOBODY") == {"statuses": [], "trouble": ["rejected 1/1/7"]}


def test_it_takes_what_we_send(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    items = [outgoing(image(number, rows=256), tmp_path, number) for number in range(COUNT)]
    with server(inbox) as port:
        peer = Peer("ARCHIVE", "127.0.0.1", port)
        assert echo(peer).ok
        results: list[Any] = []
        summary = send(peer, items, results.append, lambda: True, associations=2)
    assert (summary.stored, summary.reason) == (COUNT, ""), results
    arrived = {str(path.stem): path for path in inbox.iterdir()}
    for item in items:
        assert dcmread(arrived[item.sop_instance_uid]).PixelData == dcmread(item.path).PixelData
