"""The platform's REST: which answer each request of the contract gets. Paths are those below a workspace."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from proxy.management.demo.backend import holdings
from proxy.management.demo.backend.serving import Reply, Request
from proxy.management.demo.backend.uploads import Archive, Archives, said

ENTITIES: Final = re.compile(r"/(subjects|sessions|scans)(?:/([\w.:-]+)(/download)?)?")
ARCHIVES: Final = re.compile(r"/archives/([\w.:-]+)(/download)?")
UPLOAD: Final = ("/archives/upload", "/archives")
UNKNOWN: Final = said(404, {"detail": "unknown"})
NOT_ALLOWED: Final = said(405, {"detail": "not allowed"})


def answer(archives: Archives, request: Request, path: str) -> Reply:
    if request.method == "POST":
        return archives.take(request) if path in UPLOAD else NOT_ALLOWED
    if path == "/archives":
        return said(200, {"results": [one.facts() for one in archives.all()]})
    query = dict(parse_qsl(urlsplit(request.path).query))
    if found := ARCHIVES.fullmatch(path):
        return _archive(archives, found[1], bool(found[2]))
    if found := ENTITIES.fullmatch(path):
        return _entity(archives, found[1], found[2] or "", bool(found[3]), query)
    return UNKNOWN


def _archive(archives: Archives, wanted: str, download: bool) -> Reply:
    one: Archive | None = next((one for one in archives.all() if one.id == wanted), None)
    if one is None:
        return UNKNOWN
    return Reply(200, _copy(one.path), "application/zip") if download else said(200, one.facts())


def _copy(path: Path) -> Path:
    """What is sent is removed afterwards."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as out, path.open("rb") as file:
        shutil.copyfileobj(file, out)
    return Path(out.name)


def _entity(archives: Archives, kind: str, entity: str, download: bool, query: Mapping[str, str]) -> Reply:
    """A session is downloaded by whoever knows whose it is: `subject_id` is asked for."""
    files = list(holdings.files(archives.all()))
    if not entity:
        within = [one for one in holdings.listed(files, kind) if _fits(one, query)]
        return said(200, {"results": within})
    found = holdings.chosen(files, kind, entity, query)
    if not download:
        return said(200, holdings.listed(found, kind)[0]) if found else UNKNOWN
    if kind == "sessions" and "subject_id" not in query:
        return said(422, {"detail": "subject_id is missing"})
    return _download(found, query) if found else UNKNOWN


def _fits(one: Mapping[str, object], query: Mapping[str, str]) -> bool:
    return all(one.get(name) == query[name] for name in ("subject_id", "session_id") if name in query)


def _download(found: list[holdings.File], query: Mapping[str, str]) -> Reply:
    form, level = query.get("compression_format", "zip"), query.get("compression_level", "6")
    if form not in holdings.FORMS or not re.fullmatch("[0-9]", level):
        return said(400, {"detail": "compression_format is zip or tar.gz, compression_level 0 to 9"})
    return Reply(200, holdings.packed(found, form, int(level)), "application/octet-stream", is_chunked=True)
