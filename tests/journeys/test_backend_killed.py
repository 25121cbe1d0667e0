"""Promises 2, 3 and 12: `work` is killed while it uploads; the next one goes on with the same archive, and the study
arrives once."""

import hashlib
import signal
from pathlib import Path

import pytest

from tests.backend.faults import Deaf
from tests.backend.uploads import TOKEN, a_backend
from tests.house import House
from tests.journeys import help as journey
from tests.journeys.test_backend import images
from tests.management.test_serve import is_open

pytestmark = [pytest.mark.journey, pytest.mark.peers]


@pytest.mark.timeout(300)
def test_a_killed_upload_is_made_again_from_the_same_archive(house: House, tmp_path: Path) -> None:
    with a_backend(tmp_path / "there") as (server, there):
        server.faulty = "/upload"
        server.fail(Deaf(after=100, seconds=100))
        said = {"ITH_URL": server.url, "ITH_TOKEN": TOKEN, "DICOM_STUDY_TIMEOUT": "1", "DELIVERY_LEASE": "5"}
        house.start("listen", **said)
        work = house.start("work", **said)
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        assert journey.sent_safely(house, *images(tmp_path / "study", 1, 2, 3))
        journey.wait_until(lambda: not server.faults, "an upload has begun")
        work.send_signal(signal.SIGKILL)
        work.wait()
        (archive,) = (house.data / "archives").glob("*.zip")
        made, digest = archive.stat().st_mtime_ns, hashlib.sha256(archive.read_bytes()).hexdigest()
        assert journey.rows(house, "SELECT state, acknowledged FROM deliveries_delivery") == [("claimed", 0)]
        assert not there.archives

        house.start("work", **said, CLEANUP_AFTER_UPLOAD="False")
        journey.wait_until(
            lambda: (
                journey.rows(house, "SELECT state, acknowledged FROM deliveries_delivery")
                == [("delivered", 3)]
            ),
            "it is delivered",
        )
        (arrived,) = there.archives.values()
        assert (there.uploads, arrived.sha256) == (1, digest)
        assert archive.stat().st_mtime_ns == made
