"""Promise 2: wherever the network is cut, what was acknowledged is safe and whole, and the rest can come again."""

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest
from pydicom import dcmread

from proxy.network.scu import Outgoing, Peer, SendResult, send
from tests import cast
from tests.cutter import NEVER, Cutter, How
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open, until

pytestmark = [pytest.mark.journey, pytest.mark.peers]

IMAGES = 3
SHARES = (
    0.0005,
    0.004,
    0.2,
    0.34,
    0.67,
    0.9999,
)  # in the request, a command, data, between images, the last fragment
CUT = 1.0  # seconds until we give up on a network that is cut
QUICK = {f"DICOM_{name}_TIMEOUT": "2" for name in ("ACSE", "DIMSE", "NETWORK")}


def study(folder: Path, number: int) -> list[Outgoing]:
    folder.mkdir()
    items = []
    for ordinal in range(IMAGES):
        image = cast.ct(cast.StudyPlan(number=number), ordinal + 1, size=256)
        path = cast.save(image, folder)
        syntax = str(image.file_meta.TransferSyntaxUID)
        items.append(Outgoing(ordinal, str(image.SOPClassUID), str(image.SOPInstanceUID), syntax, path))
    return items


def sent(port: int, items: Iterable[Outgoing], called: str = cast.DICOMRCV, patience: float = 20) -> set[int]:
    """The ordinals for which we heard Success."""
    results: list[SendResult] = []
    peer = Peer(called, "127.0.0.1", port, cast.CT_EAST, 16_384, patience, patience, patience)
    send(peer, list(items), results.append, lambda: True)
    return {one.ordinal for one in results if one.verdict == "stored"}


def cuts(whole: int) -> list[tuple[How, int, int]]:
    """How, after how many bytes up, after how many down."""
    up = [(how, int(whole * share), NEVER) for how in get_args(How) for share in SHARES]
    answers = [
        (how, NEVER, down) for how in get_args(How) for down in (200, 400)
    ]  # an answer or two get through
    return [*up, *answers]


@pytest.mark.timeout(600)
def test_promise_2_a_sender_that_is_cut_off_loses_nothing_that_was_acknowledged(
    house: House, tmp_path: Path
) -> None:
    house.start("listen", **QUICK)
    until(lambda: is_open(house.dicom_port))
    with Cutter(house.dicom_port) as cutter:
        assert len(sent(cutter.port, study(tmp_path / "first", 1))) == IMAGES
        whole = cutter.passed["up"]
    for number, (how, up, down) in enumerate(cuts(whole), start=2):
        items = study(tmp_path / str(number), number)
        with Cutter(house.dicom_port, how, up, down) as cutter:
            heard = sent(cutter.port, items, patience=CUT)
            assert len(heard) < IMAGES, (how, up, down)
            files = journey.dicom_files(house.data / "studies")
            assert len(files) >= (number - 1) * IMAGES + len(heard), (how, up, down)
        assert sent(house.dicom_port, items) == set(range(IMAGES)), (how, up, down)
    _all_whole(house, (number) * IMAGES)


def _all_whole(house: House, expected: int) -> None:
    """Each image once in the index and once on the disk; nothing half is left, hidden or not."""
    until(lambda: not list((house.data / "studies").rglob("*.part")))
    assert journey.count(house, "SELECT count(*) FROM studies_instance") == expected
    files = journey.dicom_files(house.data / "studies")
    assert len(files) == expected
    assert all(len(dcmread(path).PixelData) == 256 * 256 * 2 for path in files)


@pytest.mark.timeout(600)
def test_a_destination_that_is_cut_off_gets_the_rest_later_and_each_image_whole(tmp_path: Path) -> None:
    archive = journey.Scp(tmp_path / "archive")
    try:
        until(lambda: is_open(archive.port))
        with Cutter(archive.port) as cutter:
            assert len(sent(cutter.port, study(tmp_path / "first", 1), cast.ARCHIVE)) == IMAGES
            whole = cutter.passed["up"]
        for number, (how, up, down) in enumerate(cuts(whole), start=2):
            items = study(tmp_path / str(number), number)
            with Cutter(archive.port, how, up, down) as cutter:
                heard = sent(cutter.port, items, cast.ARCHIVE, CUT)
            assert len(heard) < IMAGES, (how, up, down)
            stored = {
                path.name.partition(".")[2] for path in archive.folder.iterdir()
            }  # storescp names them so
            assert {items[ordinal].sop_instance_uid for ordinal in heard} <= stored
            left = [item for item in items if item.ordinal not in heard]
            assert sent(archive.port, left, cast.ARCHIVE) == {item.ordinal for item in left}
        until(
            lambda: len(list(archive.folder.iterdir())) == number * IMAGES
        )  # half ones go when storescp notices
    finally:
        archive.close()
