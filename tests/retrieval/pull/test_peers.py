"""Real archives as the PACS: Orthanc and DCMTK's dcmqrscp, by C-GET and by C-MOVE."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1

from proxy.network import scu
from proxy.network.peer import Peer
from proxy.routing.site import apply, read
from proxy.studies.models import Instance
from tests import cast
from tests.cluster import free_port
from tests.network.people import outgoing
from tests.peers.orthanc import Orthanc
from tests.retrieval.pull.pacs import HERE
from tests.retrieval.pull.test_pull import ONE, SITE, TWO, images, listening, nobody_is_named, run
from tests.tools import debian

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.peers]

AE = "ARCHIVE"


def filled(port: int, what: list[Dataset], folder: Path) -> None:
    folder.mkdir()
    items = [
        outgoing(image, folder, number, image.file_meta.TransferSyntaxUID)
        for number, image in enumerate(what)
    ]
    summary = scu.send(Peer(AE, HERE, port), items, lambda result: None, lambda: True)
    assert summary.stored == len(what), summary.reason


def site(port: int) -> None:
    apply(read(SITE.format(port=port).replace("ae_title: PACS", f"ae_title: {AE}")), "test")


@contextmanager
def orthanc(folder: Path, our_port: int) -> Iterator[int]:
    one = Orthanc(
        folder,
        {
            "DicomModalities": {"us": ["DICOMRCV", HERE, our_port]},
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
        },
    )
    try:
        yield one.dicom_port
    finally:
        one.close()


@contextmanager
def dcmqrscp(folder: Path, our_port: int, *options: str) -> Iterator[int]:
    folder.mkdir()
    (folder / "db").mkdir()
    port = free_port()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nus = (DICOMRCV, {HERE}, {our_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{AE} {folder / 'db'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    process = subprocess.Popen(
        [debian("dcmqrscp"), "+xs", *options, "-c", str(config)],
        env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 100
    while not scu.echo(Peer(AE, HERE, port)).ok:
        assert time.monotonic() < end, "dcmqrscp did not start"
        time.sleep(0.1)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


ARCHIVES = pytest.mark.parametrize("archive", [orthanc, dcmqrscp])


@ARCHIVES
@pytest.mark.parametrize("way", ["get", "move"])
def test_two_studies_are_pulled_whole(archive: object, way: str, data: Path, tmp_path: Path) -> None:
    assert callable(archive)
    with listening() as ours, archive(tmp_path / "archive", ours) as port:
        filled(port, images(ONE, TWO), tmp_path / "sent")
        site(port)
        code, said = run("--patient", cast.ADA.id, "--by", way)
        assert code == 0, said
        assert "2 of 2 studies are here: 12 of 12 images." in said
        assert Instance.objects.count() == 12
        nobody_is_named(said)
        code, said = run("--date-range", "20240201-20240228", "--modality", "CT", "--practice")
    assert "ARCHIVE lists 1 studies with" in said  # dcmqrscp does not say how many images


@ARCHIVES
def test_what_is_missing_is_asked_for_by_its_uid(archive: object, data: Path, tmp_path: Path) -> None:
    assert callable(archive)
    with listening() as ours, archive(tmp_path / "archive", ours) as port:
        site(port)
        filled(port, images(ONE), tmp_path / "sent")
        assert run("--study", ONE.uid)[0] == 0
        filled(port, [cast.ct(ONE, 7), cast.ct(ONE, 8), cast.ct(ONE, 1, series=3)], tmp_path / "more")
        for way in ("move", "get"):
            code, said = run("--study", ONE.uid, "--by", way)
            assert code == 0, said
    assert Instance.objects.count() == 9


@ARCHIVES
def test_compressed_images_come_as_they_lie_there(archive: object, data: Path, tmp_path: Path) -> None:
    """dcmqrscp takes the first context of a class, whatever its transfer syntax, and fails; so it is asked again."""
    assert callable(archive)
    image = cast.ct(ONE, 1)
    image.PixelData = encapsulate([image.PixelData[:512]])  # nobody decodes it here
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    with listening() as ours, archive(tmp_path / "archive", ours) as port:
        site(port)
        filled(port, [image, cast.ct(ONE, 2)], tmp_path / "sent")
        code, said = run("--study", ONE.uid, "--by", "get")
    assert code == 0, said
    assert set(Instance.objects.values_list("transfer_syntax", flat=True)) == {
        JPEGLosslessSV1,
        ExplicitVRLittleEndian,
    }
