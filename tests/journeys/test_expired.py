"""Promises 2 to 5: what is everywhere goes, and may come again. The same from the modality to the folder, twice."""

from pathlib import Path

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve

CALM = {"DICOM_STUDY_TIMEOUT": "1", "DELIVERY_PAUSE": "1", "DELIVERY_PAUSE_MAX": "2", "RETENTION_FILES": "0"}
IMAGES = 3


def stored(house: House) -> list[Path]:
    return journey.dicom_files(house.data / "studies")


def work_again(house: House) -> None:
    """Its first look is when it starts."""
    house.start("work")


def expired(house: House, revisions: int) -> None:
    gone = "SELECT count(*) FROM studies_revision WHERE state = 'expired' AND files_gone_at IS NOT NULL"
    journey.wait_until(lambda: journey.count(house, gone) == revisions, "retention")
    assert stored(house) == []


def delivered(house: House, revisions: int) -> None:
    done = "SELECT count(*) FROM deliveries_delivery WHERE state = 'delivered'"
    proven = "SELECT count(*) FROM studies_revision WHERE evidence <> ''"
    journey.wait_until(lambda: journey.count(house, done) == revisions, "the folder")
    journey.wait_until(lambda: journey.count(house, proven) == revisions, "the evidence")


@pytest.mark.journey
@pytest.mark.peers
@pytest.mark.timeout(400)
def test_what_was_delivered_goes_and_comes_again_under_the_same_names(house: House, tmp_path: Path) -> None:
    house.env.update(CALM)
    images = [cast.save(cast.ct(instance=number + 1), tmp_path) for number in range(IMAGES)]
    house.start("listen")
    work = house.start("work")
    serve.until(lambda: serve.is_open(house.dicom_port))
    assert journey.sent_safely(house, *images)
    delivered(house, 1)
    names = sorted(journey.uids(journey.dicom_files(house.data / "outbox")))
    work.terminate()
    assert work.wait(100) == 0
    said = house.command("expire", "--dry-run")
    assert "1 revision with 3 images would go." in said.stdout and len(stored(house)) == IMAGES
    work_again(house)
    expired(house, 1)
    assert journey.sent_safely(house, *images)
    delivered(house, 2)
    assert house.command("expire").returncode == 0
    expired(house, 2)
    assert sorted(journey.uids(journey.dicom_files(house.data / "outbox"))) == names
    [line] = journey.ledger(house)
    assert (line["received"], line["delivered"], line["difference"]) == (2 * IMAGES, 2 * IMAGES, 0)
    assert "every row has its file" in house.command("doctor").stdout
    assert not journey.leaks(house, cast.NEEDLES)
