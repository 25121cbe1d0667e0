"""The web process as it really serves: a study larger than its memory may grow, names that stay out of its logs, and
connections that are used again after whatever went before.
"""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open
from tests.network.people import wait_for

pytestmark = [pytest.mark.journey, pytest.mark.peers]

SITE = """
projects: [{name: default, recipe: research}]
nodes:
- {name: VIEWER, ae_title: VIEWER, host: 127.0.0.1, port: 104, may: [find, retrieve]}
- {name: WARD, ae_title: WARD, host: 127.0.0.1, port: 104, may: [find, retrieve], view: identified,
   networks: [127.0.0.0/8], projects: [default], grant: {purpose: care, until: 2099-12-31}}
routes: [{called_ae: DICOMRCV, project: default, destinations: []}]
"""
COUNT, SIZE = 100, 512
MEGABYTE = 1 << 20


class Cut(Exception):
    """The answer broke off."""


class Reader:
    """A node with one connection, which it keeps."""

    def __init__(self, house: House, node: str) -> None:
        said = house.command("token", "make", node)
        found = re.search(r"postern_[A-Za-z0-9_-]{43}", said.stdout)
        assert found, said.stdout + said.stderr
        self.line = http.client.HTTPConnection("127.0.0.1", house.api_port, timeout=60)
        self.headers = {"Authorization": f"Bearer {found[0]}"}

    def ask(self, path: str, method: str = "GET") -> tuple[int, int, bytes]:
        """Status, bytes of the body, and the first of them."""
        self.line.request(method, f"/dicomweb/{path}", headers=self.headers)
        answer = self.line.getresponse()
        start = answer.read(MEGABYTE)
        size = len(start)
        while piece := answer.read(MEGABYTE):
            size += len(piece)
        promised = answer.headers.get("Content-Length")
        if method == "GET" and promised is not None and size < int(promised):
            raise Cut  # http.client says so only to who reads all of it at once
        return answer.status, size, start


@pytest.fixture
def serving(house: House, tmp_path: Path) -> Iterator[House]:
    """One study of a hundred images is here."""
    site = tmp_path / "site.yaml"
    site.write_text(SITE)
    assert house.command("configure", str(site)).returncode == 0
    house.start("listen", DISK_WATERMARK="0")
    house.start("web")
    journey.wait_until(lambda: is_open(house.dicom_port) and is_open(house.api_port), "both doors are open")
    folder = tmp_path / "study"
    folder.mkdir()
    files = [cast.save(cast.ct(instance=one + 1, size=SIZE), folder) for one in range(COUNT)]
    assert journey.sent_safely(house, *files)
    wait_for(lambda: journey.count(house, "SELECT count(*) FROM studies_instance") == COUNT, 60)
    yield house


def _resident(pids: list[int]) -> int:
    lines = "".join(Path(f"/proc/{pid}/status").read_text() for pid in pids).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def _web(house: House) -> list[int]:
    """gunicorn's worker and its parent."""
    roots = [one.pid for one in house.running]
    found = [pid for root in roots for pid in (root, *_children(root))]
    return [pid for pid in found if b"postern-web" in _title(pid) or b"web" in _title(pid)]


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def _title(pid: int) -> bytes:
    try:
        return (Path(f"/proc/{pid}") / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.timeout(300)
def test_a_study_is_read_with_the_memory_of_an_image_and_no_log_says_whose(serving: House) -> None:
    viewer, ward = Reader(serving, "VIEWER"), Reader(serving, "WARD")
    with closing(viewer.line), closing(ward.line):
        _read(serving, viewer, ward)


def _read(serving: House, viewer: Reader, ward: Reader) -> None:
    [(study,)] = journey.rows(serving, "SELECT uid FROM studies_study")
    original = cast.StudyPlan()

    status, _, body = ward.ask(f"studies?PatientName={quote(cast.ADA.name)}&PatientID={cast.ADA.id}")
    assert status == 200
    assert [one["0020000D"]["Value"] for one in json.loads(body)] == [[original.uid]]
    assert ward.ask(f"studies?StudyDate={quote(cast.ADA.name)}")[0] == 400

    assert viewer.ask(f"studies/{study}", "HEAD")[:2] == (200, 0)
    series = f"studies/{study}/series"
    assert viewer.ask(series)[0] == 200  # the same connection goes on
    for reader, name in ((viewer, study), (ward, original.uid)):
        assert reader.ask(f"studies/{name}")[0] == 200
    before = _resident(_web(serving))
    assert before > 20
    for reader, name in ((viewer, study), (ward, original.uid), (viewer, study)):
        status, size, _ = reader.ask(f"studies/{name}")
        assert (status, size > COUNT * SIZE * SIZE * 2) == (200, True)
        status, _, _ = reader.ask(f"studies/{name}/metadata")
        assert status == 200
    assert _resident(_web(serving)) - before < 12

    _cut_answers_are_seen(serving, viewer, str(study))
    logs = [*(serving.data / "logs").glob("*"), *serving.folder.glob("*.out")]
    assert logs
    said = "".join(log.read_text() for log in logs)
    assert not [needle for needle in cast.NEEDLES if needle in said or quote(needle) in said]


def _cut_answers_are_seen(house: House, viewer: Reader, study: str) -> None:
    """A file that was lost ends the answer early, and the web process serves on."""
    [(path,)] = journey.rows(house, f"SELECT path FROM studies_instance WHERE ordinal = {COUNT // 2}")
    (house.data / "studies" / str(path)).unlink()
    with pytest.raises((Cut, http.client.IncompleteRead, ConnectionError)):
        viewer.ask(f"studies/{study}")
    viewer.line.close()
    assert viewer.ask(f"studies/{study}/instances")[0] == 200
