"""What a scanner sends arrives at a DICOMweb service that wants a login, without names; the secret shows nowhere."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.journeys.test_backend import images
from tests.management.test_serve import is_open
from tests.peers.test_orthanc_dicomweb import orthanc_of, url_of

pytestmark = [pytest.mark.journey, pytest.mark.peers]

SECRET = "s3cret-of-the-archive"
SITE = """
projects: [{{name: default}}]
destinations:
  - {{name: archive, kind: dicomweb, url: {url}, auth: basic, user: postern, secret: DESTINATION_ARCHIVE}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: [archive]}}]
"""


@pytest.mark.timeout(300)
def test_a_study_arrives_at_orthanc_by_stow(house: House, tmp_path: Path) -> None:
    login = ("postern", SECRET)
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"postern": SECRET}}
    orthanc = orthanc_of(tmp_path / "orthanc", login=login, **users)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    said = {"DESTINATION_ARCHIVE_FILE": str(tmp_path / "secret"), "DICOM_STUDY_TIMEOUT": "1"}
    try:
        site = tmp_path / "site.yaml"
        site.write_text(SITE.format(url=url_of(orthanc)))
        assert house.command("configure", str(site)).returncode == 0
        house.start("listen", **said)
        house.start("work", **said)
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        assert journey.sent_safely(house, *images(tmp_path / "study", 1, 2, 3))
        journey.wait_until(lambda: len(orthanc.get("/instances")) == 3, "the study arrives")
        for file in orthanc.files():
            assert str(dcmread(BytesIO(file)).PatientID).startswith("ANON-")
            assert not [needle for needle in cast.NEEDLES if needle.encode() in file]
        told = house.command("doctor", **said).stdout + house.command("export_site", **said).stdout
        assert "archive answers (HTTP 200)" in told
        assert "DESTINATION_ARCHIVE" in told
        logs = [*(house.data / "logs").glob("*"), *house.folder.glob("*.out")]
        assert SECRET not in told + "".join(log.read_text() for log in logs)
    finally:
        orthanc.close()
