"""The whole reference backend on one port: what was uploaded may be dispatched, and comes home as it went."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.backend.platform import CONFIGURATION, Platform
from tests.backend.serving import Reply, Request, Server, serving
from tests.backend.uploads import TOKEN, WORKSPACE, Backend

DOWNLOAD = re.compile(rf"/api/v1/proxy/{WORKSPACE}/(?:sessions|scans|subjects)/([\w-]+)/download")


@dataclass(frozen=True)
class Whole:
    server: Server
    backend: Backend
    platform: Platform

    def hear(self, line: str) -> str:
        """What a developer types: an event and, for a dispatch, an archive's id. Gives back what was said."""
        words = line.split()
        if not words:
            return ""
        event = {"event_type": words[0], "entity_id": " ".join(words[1:])}
        event["correlation_id"] = f"c-{len(self.platform.heard)}-{len(self.backend.archives)}"
        self.platform.say(event)
        return f"said to {len(self.platform.lines)}: {event}"


@contextmanager
def whole(folder: Path, port: int = 0) -> Iterator[Whole]:
    backend, platform = Backend(folder), Platform("", key=TOKEN, workspace=WORKSPACE)

    def answers(request: Request) -> Reply:
        return _archive(backend, request) or _configuration(platform, request) or backend(request)

    with serving(answers, port=port, attend=platform.attend) as server:
        platform.url = server.url
        yield Whole(server, backend, platform)
        platform.cut()
    backend.close()


def _archive(backend: Backend, request: Request) -> Reply | None:
    """An archive is session, scan and subject alike here."""
    wanted = DOWNLOAD.fullmatch(urlsplit(request.path).path)
    if wanted is None or request.headers.get("X-Proxy-Key") != TOKEN:
        return None
    found = [one for one in backend.archives.values() if one.id == wanted[1]]
    return Reply(200, found[0].path.read_bytes(), "application/zip") if found else None


def _configuration(platform: Platform, request: Request) -> Reply | None:
    """The backend's own is a short one; a test may give it another."""
    if request.path != CONFIGURATION or platform.configuration is None:
        return None
    answer = platform.answer(request.path, request.headers.get("X-Proxy-Key"))
    return Reply(answer.status, answer.body)
