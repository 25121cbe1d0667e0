"""A study is released when its PACS has no more of it; what comes late goes alone, to every kind of destination; and
what a rule or a person excludes goes nowhere, however late it comes.
"""

import zipfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests import cast
from tests.backend.uploads import TOKEN
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open
from tests.retrieval.pull.pacs import Pacs, serving
from tests.stress.receivers import Receiver, a_folder, a_pacs, a_platform, a_service
from tests.stress.scene import configure

pytestmark = [pytest.mark.journey, pytest.mark.peers]

SITE = """
projects: [{{name: default}}]
nodes:
  - {{name: PACS, ae_title: PACS, host: 127.0.0.1, port: {pacs}}}
  - {{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {archive}}}
destinations:
  - {{name: archive, kind: dimse, node: ARCHIVE}}
  - {{name: service, kind: dicomweb, url: 'http://127.0.0.1:{service}/dicom-web'}}
  - {{name: platform, kind: backend}}
  - {{name: files, kind: folder, path: files}}
  - {{name: zips, kind: folder, path: zips, zip: true}}
routes:
  - called_ae: DICOMRCV
    project: default
    destinations: [archive, service, platform, files, zips]
    ask_counts: PACS
    exclude: [localizer]
"""
QUICK = {
    "DICOM_STUDY_TIMEOUT": "1",
    "DELIVERY_PAUSE": "1",
    "DELIVERY_PAUSE_MAX": "2",
    "UPLOAD_RETRY_DELAY": "0",
}
SCAN, LOCALIZER, SECOND = 1, 2, 3


def image(number: int, series: int = SCAN) -> Dataset:
    made = cast.ct(cast.StudyPlan(), number, series=series, size=16)
    if series == LOCALIZER:
        made.SeriesDescription = "Localizer"
    return made


class Modality:
    """Sends to us, and to the PACS, which has all that was ever made."""

    def __init__(self, house: House, pacs: Pacs, folder: Path) -> None:
        self._house, self._pacs, self._folder = house, pacs, folder
        folder.mkdir()

    def makes(self, images: Iterable[Dataset]) -> None:
        self._pacs.images += images

    def sends(self, images: Iterable[Dataset]) -> None:
        assert journey.sent_safely(self._house, *(cast.save(one, self._folder) for one in images))


def zipped(folder: Path) -> dict[str, int]:
    """Images by the revision at the end of a ZIP's name."""
    found = sorted(folder.rglob("*.zip"))
    return {path.stem.rpartition("-")[2]: len(zipfile.ZipFile(path).namelist()) for path in found}


@pytest.mark.timeout(300)
def test_whole_studies_leave_then_what_is_late_alone_and_what_is_excluded_never(
    house: House, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        pacs = stack.enter_context(serving(Pacs([])))
        archive, service = stack.enter_context(a_pacs()), stack.enter_context(a_service())
        platform = stack.enter_context(a_platform(tmp_path / "there"))
        house.env.update(QUICK, ITH_URL=f"http://127.0.0.1:{platform.port}", ITH_TOKEN=TOKEN)
        configure(house, SITE.format(pacs=pacs.port, archive=archive.port, service=service.port))
        for command in ("listen", "work"):
            house.start(command)
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        everywhere = (archive, service, platform, a_folder(house.data / "files"))
        modality = Modality(house, pacs, tmp_path / "scanner")

        whole = [image(number) for number in range(1, 7)]
        screens = [image(number, LOCALIZER) for number in (1, 2)]
        modality.makes([*whole, *screens])
        modality.sends([*whole[:4], screens[0]])
        journey.wait_until(_says(house, 5, 8), "it waits for the rest")
        assert not journey.rows(house, "SELECT id FROM deliveries_delivery")

        modality.sends([*whole[4:], screens[1]])
        _all_have(everywhere, 6)
        journey.wait_until(_says(house, 8, 8), "it is sure")

        late = [image(7), image(1, SECOND), image(3, LOCALIZER)]
        modality.makes(late)
        modality.sends(late)
        _all_have(everywhere, 8)
        journey.wait_until(lambda: _delivered(house) == 10, "all is told")

        _once_and_nothing_excluded(house, everywhere)
        kept = journey.rows(house, "SELECT number, total FROM studies_revision WHERE state = 'excluded'")
        assert sum(int(str(total)) for _, total in kept) == 3
        assert sorted(zipped(house.data / "zips").values()) == [2, 6], "the late ones have a ZIP of their own"
        [(uid,)] = journey.rows(house, "SELECT uid FROM studies_study")
        told = house.command("why", str(uid)).stdout
        assert "11 of 11 by PACS" in told
        assert "is excluded: by the rule “localizer”" in told
        assert not journey.leaks(house, [*cast.NEEDLES, cast.ROOT])


def _says(house: House, here: int, said: int) -> Callable[[], bool]:
    question = "SELECT here, said FROM studies_pacscount ORDER BY revision_id DESC"
    return lambda: journey.rows(house, question)[:1] == [(here, said)]


def _all_have(receivers: Iterable[Receiver], images: int) -> None:
    for one in receivers:
        journey.wait_until(lambda one=one: len(one.visible()) >= images, f"{one.name} has {images}")  # type: ignore[misc]


def _delivered(house: House) -> int:
    return journey.count(house, "SELECT count(*) FROM deliveries_delivery WHERE state = 'delivered'")


def _once_and_nothing_excluded(house: House, receivers: Iterable[Receiver]) -> None:
    """Each image that may leave is there, was sent once, and the books say so of every destination."""
    leaving = "JOIN studies_series s ON s.id = i.series_id WHERE NOT s.excluded"
    expected = sorted(
        str(uid) for (uid,) in journey.rows(house, f"SELECT i.uid FROM studies_instance i {leaving}")
    )
    assert len(expected) == 8
    for one in receivers:
        assert one.visible() == expected, one.name
        assert one.arrived() == (2 if one.name == "backend" else 8), f"{one.name} got something twice"
    for line in journey.ledger(house):
        account = (
            line["received"],
            line["delivered"],
            line["excluded"],
            line["in_flight"],
            line["difference"],
        )
        assert account == (11, 8, 3, 0, 0), line
