"""What was uploaded, as it came: an archive for each upload, one for those of the same name.

What lies in the folder from an earlier time is known again, by the form that lies beside each archive.
"""

import hashlib
import json
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proxy.management.demo.backend.multipart import MalformedError, file_name_of, name_of, parts
from proxy.management.demo.backend.serving import Reply, Request

FIELDS: Final = {"name", "patient_id", "study_description", "metadata", "conflict_resolution"}
PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Archive:
    """The form's fields, and the file as it lies in the backend's folder."""

    id: str
    fields: dict[str, str]
    file_name: str
    path: Path
    sha256: str

    def members(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def manifest(self) -> dict[str, Any]:
        with zipfile.ZipFile(self.path) as archive:
            return dict(json.loads(archive.read("manifest.json")))

    def facts(self) -> dict[str, Any]:
        return {"id": self.id, "status": "completed", "sha256": self.sha256, **self.fields}


@dataclass
class Archives:
    """By name. A second one of a name that is known is skipped, if the form says so, and else takes its place."""

    folder: Path
    by_name: dict[str, Archive] = field(default_factory=dict)
    uploads: int = 0
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for form in sorted(self.folder.glob("*.json"), key=lambda path: int(path.stem)):
            archive = Archive(path=form.with_suffix(".zip"), **json.loads(form.read_text()))
            self.by_name[archive.fields["name"]] = archive

    def all(self) -> list[Archive]:
        with self._busy:
            return list(self.by_name.values())

    def take(self, request: Request) -> Reply:
        with self._busy:
            self.uploads += 1
            try:
                return self._take(request)
            except (MalformedError, UnicodeDecodeError, ValueError):
                return said(400, {"detail": "this is no form with a file, or a field of it makes no sense"})

    def _take(self, request: Request) -> Reply:
        *found, last = parts(request)
        fields = {name_of(part): part.content.decode() for part in found}
        if name_of(last) != "file" or set(fields) != FIELDS or not json.loads(fields["metadata"]):
            raise MalformedError
        known = self.by_name.get(fields["name"])
        if known is not None and fields["conflict_resolution"] == "skip_existing":
            return said(200, {"id": known.id, "status": "skipped"})
        number = f"{len(self.by_name) + 1}"
        path = self.folder / f"{number}.zip"
        digest = _copy(request, last.start, last.end, path)
        archive = Archive(f"a-{number}", fields, file_name_of(last), path, digest)
        self.by_name[fields["name"]] = archive
        form = {"id": archive.id, "fields": fields, "file_name": archive.file_name, "sha256": digest}
        path.with_suffix(".json").write_text(json.dumps(form))
        return said(201, {"id": archive.id, "status": "queued"})


def _copy(request: Request, start: int, end: int, path: Path) -> str:
    """The SHA-256 of what lies there now."""
    request.body.seek(start)
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while piece := request.body.read(min(PIECE, end - request.body.tell())):
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def said(status: int, what: object) -> Reply:
    return Reply(status, json.dumps(what).encode())
