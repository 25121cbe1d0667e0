"""A study goes up to the backend without its names and comes back down with them: the whole house, both ways."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests import cast
from tests.backend.said import configuration
from tests.backend.uploads import TOKEN, WORKSPACE, a_backend
from tests.house import House
from tests.journeys import help as journey
from tests.journeys.test_dispatch import SITE
from tests.management.test_serve import is_open
from tests.retrieval.test_delivering import Shelf
from tests.retrieval.test_delivering import shelf as a_shelf

pytestmark = [pytest.mark.journey, pytest.mark.peers]
shelf = a_shelf
UPWARD = "destinations: [{{name: up, kind: backend}}]\n" + SITE.replace(
    "project: default}}]", "project: default, destinations: [up]}}]"
)


@pytest.mark.timeout(400)
def test_what_went_up_comes_down_as_it_was(house: House, shelf: tuple[Shelf, int], tmp_path: Path) -> None:
    pacs, port = shelf
    with a_backend(tmp_path / "there") as (server, one):
        told = {"id": "n1", "name": "Clinic", "ae_title": "CLIN", "ip_address": "127.0.0.1", "port": port}
        one.configuration = configuration(told | {"permission": "write"}, workspace_id=WORKSPACE)
        house.env.update(ITH_URL=server.url, ITH_TOKEN=TOKEN, DICOM_STUDY_TIMEOUT="1")
        (tmp_path / "site.yaml").write_text(UPWARD.format(port=port))
        configured = house.command("configure", str(tmp_path / "site.yaml"))
        assert configured.returncode == 0, configured.stderr
        house.start("serve", "--only", "listen", "work", "link")
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        images = [cast.ct(instance=number) for number in (1, 2, 3)]
        assert journey.sent_safely(house, *[cast.save(image, tmp_path) for image in images])
        journey.wait_until(lambda: len(one.archives) == 1, "it is there")
        journey.wait_until(lambda: bool(one.lines), "the WebSocket stands")
        wanted = "SELECT count(*) FROM backend_backendnode"
        journey.wait_until(lambda: journey.count(house, wanted) == 1, "the node is known")
        (archive,) = one.archives.values()
        one.hear(f"session.dispatch {archive.manifest()['study_instance_uid']}")  # whose it is, we ask
        journey.wait_until(lambda: "completed" in one.statuses(), "it is home")
        assert set(pacs.data) == {image.SOPInstanceUID for image in images}
        for image in images:
            home = dcmread(BytesIO(pacs.data[image.SOPInstanceUID]), force=True)
            assert (home.PatientID, home.AccessionNumber) == (cast.ADA.id, image.AccessionNumber)
        assert not [needle for needle in cast.NEEDLES if needle in str(one.heard)]
    assert not journey.leaks(house, [*cast.ADA.needles, cast.REFERRER])
