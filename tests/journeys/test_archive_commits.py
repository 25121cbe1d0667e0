"""An archive that commits: Orthanc takes a study, is asked, and calls our listener with its result."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.peers.orthanc import Orthanc

pytestmark = [pytest.mark.journey, pytest.mark.peers]

LOSES_THE_SECOND = """
function OnStoredInstance(id, tags)
  if tags["InstanceNumber"] == "2" then RestApiDelete("/instances/" .. id) end
end
"""


@pytest.fixture
def archive(house: House, tmp_path: Path) -> Iterator[Orthanc]:
    postern = {"AET": cast.DICOMRCV, "Host": "127.0.0.1", "Port": house.dicom_port}
    orthanc = Orthanc(
        tmp_path / "orthanc", {"DicomModalities": {"POSTERN": postern}, "ExecuteLuaEnabled": True}
    )
    yield orthanc
    orthanc.close()


def configured(house: House, archive: Orthanc) -> None:
    text = f"""
projects: [{{name: default}}]
nodes:
- {{name: ARCHIVE, ae_title: {cast.ARCHIVE}, host: 127.0.0.1, port: {archive.dicom_port}}}
- {{name: CT, ae_title: {cast.CT_EAST}, host: 127.0.0.1, port: 104, may: [store]}}
destinations: [{{name: archive, kind: dimse, node: ARCHIVE, commitment: true}}]
routes: [{{called_ae: INTAKE, project: default, destinations: [archive]}}]
"""
    (house.folder / "site.yaml").write_text(text)
    result = house.command("configure", str(house.folder / "site.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


def images(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    files = []
    for number in range(1, count + 1):
        files.append(folder / f"{number}.dcm")
        files[-1].write_bytes(cast.part10(cast.ct(cast.StudyPlan(), instance=number)))
    return files


@pytest.mark.timeout(600)
def test_promise_3_what_an_archive_keeps_is_committed_in_the_ledger(
    house: House, archive: Orthanc, tmp_path: Path
) -> None:
    """Private mode and a called AE without a route: the archive may call back all the same, and only that."""
    house.env.update(DICOM_STUDY_TIMEOUT="1", DICOM_MODE="private")
    configured(house, archive)
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    assert journey.sent_safely(house, *images(tmp_path / "images", 3), called="INTAKE")
    house.start("work")
    journey.wait_until(lambda: journey.all_delivered(house, 1), "it is delivered")
    [line] = journey.ledger(house)
    assert (line["delivered"], line["committed"], line["difference"]) == (3, 3, 0)
    assert len(archive.get("/instances")) == 3
    rows = journey.rows(
        house, "SELECT committed, failed FROM deliveries_commitmentrequest WHERE heard_at IS NOT NULL"
    )
    assert rows == [(3, 0)]


@pytest.mark.timeout(600)
def test_promise_3_what_an_archive_has_lost_is_sent_again(
    house: House, archive: Orthanc, tmp_path: Path
) -> None:
    """Between its Success and our request for commitment it loses an image."""
    house.env.update(DICOM_STUDY_TIMEOUT="1")
    configured(house, archive)
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    assert journey.sent_safely(house, *images(tmp_path / "images", 3), called="INTAKE")
    script(archive, LOSES_THE_SECOND)
    house.start("work")
    refused = "SELECT count(*) FROM deliveries_commitmentrequest WHERE failed = 1"
    journey.wait_until(lambda: journey.count(house, refused) >= 1, "it does not commit to one")
    [line] = journey.ledger(house)
    assert (line["delivered"], line["in_flight"], line["committed"]) == (2, 1, 2)
    script(archive, "function OnStoredInstance(id, tags) end")
    journey.wait_until(lambda: journey.all_delivered(house, 1), "it is delivered")
    [line] = journey.ledger(house)
    assert (line["delivered"], line["committed"], line["difference"]) == (3, 3, 0)
    assert len(archive.get("/instances")) == 3


def script(archive: Orthanc, lua: str) -> None:
    """Have the archive run this from now on."""
    url = f"http://127.0.0.1:{archive.http_port}/tools/execute-script"
    with urllib.request.urlopen(urllib.request.Request(url, data=lua.encode(), method="POST"), timeout=10):
        pass
