"""Images come in over HTTP from clients that others wrote, into real processes: dicomweb-client, Orthanc's plugin."""

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from tests import cast
from tests.cast import StudyPlan
from tests.dicomweb.sending import RELATED, images
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import answers
from tests.peers.orthanc import Orthanc
from tests.peers.test_orthanc_dicomweb import orthanc_of

pytestmark = [pytest.mark.peers, pytest.mark.journey]

COERCED = 0xB000


@pytest.fixture
def web(house: House) -> Iterator[House]:
    """The web process alone, with a site that knows CT_EAST; its temporary files lie where we look."""
    journey.site(house, 1)
    (house.data / "tmp").mkdir()
    house.start("web", TMPDIR=str(house.data / "tmp"))
    journey.wait_until(lambda: answers(house.api_port), "it serves")
    yield house


def token(house: House) -> str:
    made = house.command("token", "make", "CT_EAST")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def client(house: House, **more: Any) -> DICOMwebClient:
    headers = {"Authorization": f"Bearer {token(house)}"}
    return DICOMwebClient(f"http://127.0.0.1:{house.api_port}/dicomweb", headers=headers, **more)


def instances(house: House) -> int:
    return journey.count(house, "SELECT count(*) FROM studies_instance")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("chunk_size", [10**6, 10_000])  # the smaller one makes it send in chunks
def test_dicomweb_client_stores_and_hears_of_each(web: House, chunk_size: int) -> None:
    sent = [cast.ct(instance=number) for number in (1, 2, 3)]
    told = client(web, chunk_size=chunk_size).store_instances(sent)
    assert {item.ReferencedSOPInstanceUID: item.WarningReason for item in told.ReferencedSOPSequence} == {
        one.SOPInstanceUID: COERCED for one in sent
    }
    assert "FailedSOPSequence" not in told
    assert instances(web) == 3
    other = client(web).store_instances([cast.ct(StudyPlan(number=8)), sent[0]], sent[0].StudyInstanceUID)
    assert [item.FailureReason for item in other.FailedSOPSequence] == [0xA901]
    assert journey.leaks(web, cast.NEEDLES) == set()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("login", ["bearer", "basic"])
def test_orthancs_plugin_sends_a_study(web: House, tmp_path: Path, login: str) -> None:
    secret = token(web)
    to: dict[str, Any] = {"Url": f"http://127.0.0.1:{web.api_port}/dicomweb/"}
    more: dict[str, Any] = {"bearer": {"HttpHeaders": {"Authorization": f"Bearer {secret}"}},
            "basic": {"Username": "CT_EAST", "Password": secret}}  # fmt: skip
    servers = {"Enable": True, "Servers": {"postern": to | more[login]}}
    orthanc = orthanc_of(tmp_path / "orthanc", DicomWeb=servers)
    try:
        ids = [uploaded(orthanc, cast.ct(instance=number)) for number in (1, 2, 3)]
        asked = json.dumps({"Resources": ids, "Synchronous": True}).encode()
        orthanc.post("/dicom-web/servers/postern/stow", asked)
    finally:
        orthanc.close()
    assert instances(web) == 3
    assert journey.leaks(web, cast.NEEDLES) == set()


def uploaded(orthanc: Orthanc, image: Dataset) -> str:
    return str(json.loads(orthanc.post("/instances", cast.part10(image)))["ID"])


@pytest.mark.timeout(200)
def test_what_was_answered_is_there_after_a_kill_and_what_was_not_leaves_nobodys_name(web: House) -> None:
    """Promises 2 and 8."""
    assert client(web).store_instances([cast.ct()]).ReferencedSOPSequence
    body = images(cast.ct(StudyPlan(number=4), size=512))
    with begun(web, body, half=len(body) // 2):
        journey.wait_until(lambda: bool(parts(web)), "a clean file begins while the body comes")
        assert journey.leaks(web, cast.NEEDLES) == set()
        for process in web.running:
            process.send_signal(signal.SIGKILL)
            process.wait()
    kill_workers(web)
    assert journey.leaks(web, cast.NEEDLES) == set()
    assert instances(web) == 1
    assert journey.uids(journey.dicom_files(web.data / "studies"))
    house_again = web.start("web")
    journey.wait_until(lambda: answers(web.api_port), "it serves again")
    assert client(web).store_instances([cast.ct(StudyPlan(number=4), size=512)]).ReferencedSOPSequence
    assert (house_again.poll(), instances(web)) == (None, 2)


def begun(house: House, body: bytes, half: int) -> socket.socket:
    """A request of which a part is sent."""
    line = socket.create_connection(("127.0.0.1", house.api_port))
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: 127.0.0.1:{house.api_port}\r\n"
        f"Authorization: Bearer {token(house)}\r\nContent-Type: {RELATED}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    line.sendall(head.encode() + body[:half])
    return line


def parts(house: House) -> list[Path]:
    return list((house.data / "studies").rglob("*.part"))


def kill_workers(house: House) -> None:
    """gunicorn's worker outlives its master for a moment; the port is free when it is gone."""
    journey.wait_until(lambda: not answers(house.api_port), "nobody serves any more")


@pytest.mark.timeout(200)
def test_whoever_breaks_off_leaves_nothing_and_the_next_request_is_served(web: House) -> None:
    body = images(cast.ct(size=512))
    with begun(web, body, half=len(body) // 2):
        journey.wait_until(lambda: bool(parts(web)), "a clean file begins")
    journey.wait_until(lambda: not parts(web), "it is gone")
    assert instances(web) == 0
    assert client(web).store_instances([cast.ct()]).ReferencedSOPSequence


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("said", "status"), [({"Authorization": "Bearer guess"}, 401), ({}, 415)])
def test_whoever_is_refused_while_they_send_hears_why(web: House, said: dict[str, str], status: int) -> None:
    headers = {"Authorization": f"Bearer {token(web)}", "Content-Type": "application/zip"}
    line = HTTPConnection("127.0.0.1", web.api_port, timeout=100)
    line.request("POST", "/dicomweb/studies", bytes(20 << 20), headers | said)
    assert line.getresponse().status == status
    line.close()


@pytest.mark.timeout(200)
def test_many_send_at_once_and_each_is_answered_truly(web: House) -> None:
    headers = {"Authorization": f"Bearer {token(web)}", "Content-Type": RELATED}

    def send(number: int) -> int:
        """Again and again, as long as too many do."""
        body = images(*(cast.ct(StudyPlan(number=number), instance) for instance in range(1, 6)))
        while True:
            line = HTTPConnection("127.0.0.1", web.api_port, timeout=100)
            line.request("POST", "/dicomweb/studies", body, headers)
            answer = line.getresponse()
            answer.read()
            line.close()
            if answer.status != 503:
                return answer.status

    with ThreadPoolExecutor(12) as senders:
        assert set(senders.map(send, range(1, 25))) == {200}
    assert instances(web) == 24 * 5
    assert len(journey.dicom_files(web.data / "studies")) == 24 * 5


@pytest.mark.timeout(200)
def test_a_large_body_is_never_whole_in_memory(web: House) -> None:
    """An image of 200 MB."""
    assert client(web).store_instances([cast.ct()]).ReferencedSOPSequence  # everything is imported by now
    before = resident(web)
    image = cast.mr(size=512)
    image.NumberOfFrames = 400
    image.PixelData = image.PixelData * 400
    body = images(image)
    with begun(web, body, half=len(body) // 2) as line:
        line.sendall(body[len(body) // 2 :])
        line.settimeout(100)
        assert line.recv(100).startswith(b"HTTP/1.1 200")
    assert peak(web) - before < 60


def resident(house: House) -> int:
    return max(_status(pid, "VmRSS") for pid in workers(house))


def peak(house: House) -> int:
    return max(_status(pid, "VmHWM") for pid in workers(house))


def workers(house: House) -> list[int]:
    master = house.running[-1].pid
    return [int(one) for one in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def _status(pid: int, name: str) -> int:
    """Megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))
