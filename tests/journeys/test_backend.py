"""P10: ITH_URL, ITH_TOKEN and an AE title are enough, and what a scanner sends arrives there, without names."""

from pathlib import Path

import pytest

from tests import cast
from tests.backend.faults import Drops, Says
from tests.backend.uploads import TOKEN, a_backend
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open

pytestmark = [pytest.mark.journey, pytest.mark.peers]


def images(folder: Path, *numbers: int) -> list[Path]:
    folder.mkdir()
    return [cast.save(cast.ct(cast.StudyPlan(), number), folder) for number in numbers]


@pytest.mark.timeout(300)
def test_with_the_least_settings_studies_arrive_at_the_backend_and_late_images_alone(
    house: House, tmp_path: Path
) -> None:
    with a_backend(tmp_path / "there") as (server, there):
        server.faulty = "/upload"
        server.fail(Says(503), Drops(after=500))
        least = {"ITH_URL": server.url, "ITH_TOKEN": TOKEN, "DICOM_AE_TITLE": "GATEWAY"}
        quick = {"DICOM_STUDY_TIMEOUT": "1", "UPLOAD_RETRY_DELAY": "0"}
        house.start("listen", **least, **quick)
        house.start("work", **least, **quick)
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        assert journey.sent_safely(house, *images(tmp_path / "first", 1, 2, 3), called="GATEWAY")
        journey.wait_until(lambda: len(there.archives) == 1, "the study arrives")
        assert journey.sent_safely(house, *images(tmp_path / "late", 4), called="GATEWAY")
        journey.wait_until(lambda: len(there.archives) == 2, "the late image arrives")
        journey.wait_until(
            lambda: journey.rows(house, "SELECT state FROM deliveries_delivery") == [("delivered",)] * 2,
            "both are told",
        )
        first, late = there.archives.values()
        assert (len(first.manifest()["files"]), len(late.manifest()["files"])) == (3, 1)
        for archive in (first, late):
            whole = b"".join([*archive.members().values(), repr(archive.fields).encode()])
            assert not [needle for needle in cast.NEEDLES if needle.encode() in whole]
        receipts = journey.rows(house, "SELECT receipt FROM deliveries_delivery ORDER BY id")
        assert receipts == [("a-1",), ("a-2",)]
        journey.wait_until(lambda: not list((house.data / "archives").glob("*.zip")), "archives are gone")
        for log in [*(house.data / "logs").glob("*"), *house.folder.glob("*.out")]:
            assert TOKEN not in log.read_text()
