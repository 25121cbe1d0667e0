"""The reference backend speaks the whole contract on one port, and our side understands it."""

import io
import json
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.sync.client import ClientConnection

from proxy.deliveries.agents import backend as agent
from proxy.deliveries.outcomes import Delivered
from proxy.link.calling import NotConnected, call
from proxy.link.downloading import Bounds, Wanted, download
from tests.backend.platform import Answer, Platform, until
from tests.backend.uploads import TOKEN, WORKSPACE, a_backend
from tests.deliveries.agents.parcels import PATIENT, SERIES, STUDY, Ear
from tests.deliveries.agents.test_backend import parcel_to

OURS = f"/api/v1/proxy/{WORKSPACE}"
BOUNDS = Bounds(1 << 30, 0)


@dataclass(frozen=True)
class Scene:
    one: Platform
    images: dict[str, bytes]  # by their name in an archive

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.one.url + path, headers={"X-Proxy-Key": TOKEN, **headers}, timeout=10)

    def json(self, path: str) -> Any:
        return self.get(path).json()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A backend to which our agent has delivered a study of three images."""
    with a_backend(tmp_path / "there") as (server, one):
        parcel, ear = parcel_to(server.url, tmp_path), Ear()
        assert agent.deliver(parcel, ear.acknowledge, ear.keep_going) == Delivered(receipt="a-1")
        names = {
            f"{PATIENT}/{STUDY}/{SERIES}/{item.uid}.dcm": item.path.read_bytes() for item in parcel.items
        }
        yield Scene(one, names)


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def untarred(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return {one.name: file.read() for one in archive if (file := archive.extractfile(one))}


ABOVE = {"subject_id": PATIENT, "session_id": STUDY}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/subjects", {"id": PATIENT, "images": 3}),
        ("/sessions", {"id": STUDY, "subject_id": PATIENT, "images": 3}),
        ("/scans", {"id": SERIES, "images": 3, **ABOVE}),
        (f"/scans?subject_id={PATIENT}&session_id={STUDY}", {"id": SERIES, "images": 3, **ABOVE}),
    ],
)
def test_what_was_uploaded_is_listed_by_subject_session_and_scan(
    scene: Scene, path: str, said: dict[str, Any]
) -> None:
    assert scene.json(OURS + path) == {"results": [said]}
    plain = path.partition("?")[0]
    assert scene.json(f"{OURS}{plain}/{said['id']}") == said
    assert scene.get(f"{OURS}{plain}/2.25.404").status_code == 404


def test_others_are_not_listed(scene: Scene) -> None:
    assert scene.json(f"{OURS}/scans?subject_id=ANON-OTHER") == {"results": []}
    assert scene.json(f"{OURS}/scans?session_id=2.25.404") == {"results": []}


@pytest.mark.parametrize(
    "path",
    [f"/subjects/{PATIENT}", f"/sessions/{STUDY}", f"/scans/{SERIES}"],
    ids=["subject", "session", "scan"],
)
@pytest.mark.parametrize(("form", "opened"), [("zip", unzipped), ("tar.gz", untarred)], ids=["zip", "tar.gz"])
@pytest.mark.parametrize("level", ["0", "9"])
def test_each_is_downloaded_as_zip_or_tar(
    scene: Scene, path: str, form: str, opened: Any, level: str
) -> None:
    query = f"compression_format={form}&compression_level={level}&subject_id={PATIENT}"
    answer = scene.get(f"{OURS}{path}/download?{query}")
    assert answer.status_code == 200 and opened(answer.content) == scene.images


@pytest.mark.parametrize(
    ("query", "status"),
    [("compression_format=rar", 400), ("compression_level=12", 400), ("subject_id=ANON-OTHER", 404)],
)
def test_a_download_that_asks_for_what_is_not_there(scene: Scene, query: str, status: int) -> None:
    assert scene.get(f"{OURS}/subjects/{PATIENT}/download?{query}").status_code == status


@pytest.mark.parametrize("kind", ["session", "scan", "subject"])
def test_our_side_fetches_each_and_asks_whose_a_session_is(scene: Scene, tmp_path: Path, kind: str) -> None:
    entity = {"session": STUDY, "scan": SERIES, "subject": PATIENT}[kind]
    into = tmp_path / "got"
    assert download(scene.one.url, TOKEN, Wanted(WORKSPACE, kind, entity), into, BOUNDS) is None
    assert unzipped(into.read_bytes()) == scene.images
    asked = [path for path in scene.one.asked if "/download" in path]
    assert len(asked) == (2 if kind == "session" else 1)


def test_archives_are_listed_and_come_back_as_they_went(scene: Scene) -> None:
    (listed,) = scene.json(f"{OURS}/archives")["results"]
    assert (listed["id"], listed["patient_id"], listed["name"]) == ("a-1", PATIENT, f"{STUDY}-2")
    assert scene.json(f"{OURS}/archives/a-1") == listed
    came = unzipped(scene.get(f"{OURS}/archives/a-1/download").content)
    assert {name: came[name] for name in scene.images} == scene.images and len(came) == 4
    assert scene.get(f"{OURS}/archives/a-2").status_code == 404
    assert (scene.one.folder / "1.zip").exists()  # a download takes nothing away


def test_users_are_known_by_their_tokens(scene: Scene) -> None:
    scene.one.users["jwt"] = {"id": "u1", "email": "ada@example.org", "role": "admin"}
    path = f"/api/v1/workspaces/{WORKSPACE}/proxies/p1?include_user_info=true"
    said = scene.get(path, Authorization="Bearer jwt").json()
    assert (said["id"], said["workspace_id"], said["user"]["id"]) == ("p1", WORKSPACE, "u1")
    assert scene.get(path, Authorization="Bearer other").status_code == 401
    elsewhere = path.replace("/p1", "/p2")
    assert scene.get(elsewhere, Authorization="Bearer jwt").status_code == 404


def test_without_the_token_there_is_nothing_but_the_page(scene: Scene) -> None:
    assert isinstance(call(scene.one.url, "wrong", key_in_query=False), NotConnected)
    for path in ("/api/v1/proxy/configuration", f"{OURS}/sessions", f"{OURS}/archives/a-1/download"):
        assert scene.get(path, **{"X-Proxy-Key": "wrong"}).status_code == 401
        assert scene.get(path.replace(WORKSPACE, "ws-8")).status_code in {200, 404}
    assert scene.get(f"{OURS}/elsewhere").status_code == 404
    scene.one.is_active = False
    assert scene.get("/api/v1/proxy/configuration").status_code == 403
    scene.one.is_active, scene.one.configuration = True, None
    assert scene.get("/api/v1/proxy/configuration").status_code == 404
    with urllib.request.urlopen(scene.one.url + "/", timeout=5) as answer:
        shown = answer.read().decode()
    assert "1 archives" in shown and PATIENT in shown


@pytest.mark.parametrize(
    "body",
    [b"", b"--x--\r\n", b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nzip\r\n--x--\r\n", b"--y"],
)  # fmt: skip
def test_an_upload_that_is_no_form_is_said(scene: Scene, body: bytes) -> None:
    headers = {"X-Proxy-Key": TOKEN, "Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{scene.one.url}{OURS}/archives/upload", body, headers=headers, timeout=10)
    assert answer.status_code == 400 and len(scene.one.archives) == 1


def test_the_websocket_greets_and_says_what_a_developer_types(scene: Scene) -> None:
    line = call(scene.one.url, TOKEN, key_in_query=False)
    assert isinstance(line, ClientConnection)
    with line:
        greeting = json.loads(line.recv(timeout=5))
        assert greeting == {"type": "connected", "workspace_id": WORKSPACE, "proxy_id": "p1"}
        until(lambda: scene.one.lines)
        assert "said to 1" in scene.one.hear(f"session.dispatch {STUDY}\n") and scene.one.hear("\n") == ""
        assert json.loads(line.recv(timeout=5))["entity_id"] == STUDY
        line.send(json.dumps({"type": "config_update", "port": 104}))
        assert json.loads(line.recv(timeout=5))["fields_updated"] == ["port"]
    until(lambda: scene.one.hear("cut") == "cut 0")


def test_a_developer_types_faults(scene: Scene) -> None:
    assert scene.one.hear("fail").startswith("fail status 503 |") and not scene.one.server.faults
    assert scene.one.hear("fail slow soon") == scene.one.hear("fail")
    for typed in ("status 503", "retry-after 429 5", "nonsense", "half"):
        assert "the next request" in scene.one.hear(f"fail {typed}")
    configuration = "/api/v1/proxy/configuration"
    assert scene.get(configuration).status_code == 503
    assert scene.get(configuration).headers["Retry-After"] == "5"
    with pytest.raises(requests.exceptions.JSONDecodeError):
        scene.get(configuration).json()
    with pytest.raises(requests.RequestException):
        scene.get(configuration)
    assert scene.get(configuration).json()["workspace_id"] == WORKSPACE


def test_a_path_may_be_answered_otherwise_for_good(scene: Scene) -> None:
    scene.one.answers[f"{OURS}/subjects"] = Answer(418, b"tea")
    assert scene.get(f"{OURS}/subjects").text == "tea"
