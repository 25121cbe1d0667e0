"""A study goes out, the backend sends it back, the link is killed while it comes: it is home once, with its names."""

import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests import cast
from tests.backend.platform import KEY, Answer, Platform, open_platform
from tests.backend.said import configuration
from tests.house import House
from tests.journeys import help as journey
from tests.link.archives import zipped
from tests.management import test_serve as serve
from tests.retrieval.test_delivering import Shelf
from tests.retrieval.test_delivering import shelf as a_shelf

pytestmark = [pytest.mark.journey, pytest.mark.peers]
shelf = a_shelf
SITE = """
projects: [{{name: default, recipe: basic}}]
nodes:
  - name: CLIN
    ae_title: CLIN
    host: 127.0.0.1
    port: {port}
    view: identified
    networks: [127.0.0.1/32]
    projects: [default]
    grant: {{purpose: treatment, until: 2099-01-01}}
routes: [{{called_ae: DICOMRCV, project: default}}]
"""
EVENT = {"event_type": "session.dispatch", "correlation_id": "c1", "payload": {"session_id": "s1"}}


@pytest.fixture
def platform(house: House) -> Iterator[Platform]:
    with open_platform() as one:
        house.env.update(ITH_URL=one.url, ITH_TOKEN=KEY, DELIVERY_LEASE="5", DELIVERY_PAUSE="1")
        yield one


@pytest.mark.timeout(400)
def test_promise_12_a_dispatch_outlives_a_killed_link(
    house: House, platform: Platform, shelf: tuple[Shelf, int], tmp_path: Path
) -> None:
    pacs, port = shelf
    (tmp_path / "site.yaml").write_text(SITE.format(port=port))
    configured = house.command("configure", str(tmp_path / "site.yaml"))
    assert configured.returncode == 0, configured.stderr
    told = {"id": "n1", "name": "Clinic", "ae_title": "CLIN", "ip_address": "127.0.0.1", "port": port}
    platform.configuration = configuration(told | {"permission": "write"})
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    images = [cast.ct(instance=number) for number in (1, 2, 3)]
    assert journey.sent_safely(house, *[cast.save(image, tmp_path) for image in images])
    files = journey.dicom_files(house.data / "studies")
    archive = zipped({path.name: path.read_bytes() for path in files})
    platform.answers["/api/v1/proxy/w1/sessions/s1/download"] = Answer(body=archive, slow=6)

    link = house.start("link")
    journey.wait_until(lambda: bool(platform.lines), "the WebSocket stands")
    journey.wait_until(
        lambda: journey.count(house, "SELECT count(*) FROM backend_backendnode") == 1, "it is told"
    )
    platform.say(EVENT, EVENT)
    journey.wait_until(lambda: "downloading" in platform.statuses(), "it is fetched")
    link.send_signal(signal.SIGKILL)
    link.wait(100)
    assert not pacs.data
    house.start("link")
    journey.wait_until(lambda: bool(platform.lines), "the WebSocket stands again")
    platform.say(EVENT)
    journey.wait_until(lambda: "completed" in platform.statuses(), "it is home")

    last = platform.of_kind("dispatch.status")[-1]
    assert last["correlation_id"] == "c1" and last["payload"]["files_sent"] == 3
    assert journey.count(house, "SELECT count(*) FROM backend_dispatch") == 1
    assert set(pacs.data) == {image.SOPInstanceUID for image in images}
    for image in images:
        home = dcmread(BytesIO(pacs.data[image.SOPInstanceUID]), force=True)
        assert (home.PatientName, home.PatientID) == (cast.ADA.name, cast.ADA.id)
    assert not list((house.data / "dispatches").iterdir())
    assert not journey.leaks(house, [*cast.ADA.needles, cast.REFERRER])
