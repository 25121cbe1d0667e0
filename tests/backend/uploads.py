"""The reference backend: it knows one token, says who we are, and keeps the archives that it is sent."""

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.backend import page
from tests.backend.multipart import file_name_of, name_of, parts
from tests.backend.serving import Reply, Request, Server, serving

TOKEN = "t0ken-of-the-proxy"
WORKSPACE = "ws-7"


@dataclass(frozen=True)
class Archive:
    """What came: the form's fields, and the file as it lies in the backend's folder."""

    id: str
    fields: dict[str, str]
    file_name: str
    path: Path
    sha256: str

    def members(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def manifest(self) -> dict[str, Any]:
        return dict(json.loads(self.members()["manifest.json"]))


class Backend:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.archives: dict[str, Archive] = {}
        self.uploads = 0
        self.active = True
        self._busy = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        if request.method == "GET" and request.path == "/":
            return Reply(200, page.html(list(self.archives.values())).encode(), "text/html; charset=utf-8")
        if request.headers.get("X-Proxy-Key") != TOKEN:
            return _json(401, {"detail": "bad key"})
        if not self.active:
            return _json(403, {"detail": "inactive"})
        if (request.method, request.path) == ("GET", "/api/v1/proxy/configuration"):
            return _json(200, {"id": "p-1", "workspace_id": WORKSPACE, "is_active": True})
        if (request.method, request.path) == ("POST", f"/api/v1/proxy/{WORKSPACE}/archives/upload"):
            return self._upload(request)
        return _json(404, {"detail": "unknown"})

    def _upload(self, request: Request) -> Reply:
        with self._busy:
            self.uploads += 1
            found = list(parts(request))
            assert [name_of(part) for part in found][-1] == "file"
            fields = {name_of(part): part.content.decode() for part in found[:-1]}
            assert set(fields) == {
                "name",
                "patient_id",
                "study_description",
                "metadata",
                "conflict_resolution",
            }
            name = fields["name"]
            known = self.archives.get(name)
            if known is not None and fields["conflict_resolution"] == "skip_existing":
                return _json(200, {"id": known.id, "status": "skipped"})
            self.archives[name] = self._keep(
                request, fields, file_name_of(found[-1]), found[-1].start, found[-1].end
            )
            return _json(201, {"id": self.archives[name].id, "status": "queued"})

    def _keep(
        self, request: Request, fields: dict[str, str], file_name: str, start: int, end: int
    ) -> Archive:
        number = len(self.archives) + 1
        path = self.folder / f"{number}.zip"
        request.body.seek(start)
        digest = hashlib.sha256()
        with path.open("wb") as file:
            while piece := request.body.read(min(1 << 20, end - request.body.tell())):
                file.write(piece)
                digest.update(piece)
        return Archive(f"a-{number}", fields, file_name, path, digest.hexdigest())

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _json(status: int, said: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(said).encode())


@contextmanager
def a_backend(folder: Path, port: int = 0) -> Iterator[tuple[Server, Backend]]:
    backend = Backend(folder)
    with serving(backend, port=port) as server:
        yield server, backend
    backend.close()
