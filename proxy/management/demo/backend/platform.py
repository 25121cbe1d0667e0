"""The platform as its contract describes it: REST, WebSocket and a page on one port of loopback.

It says the configuration that it was given, knows one proxy by its key and users by their tokens, and keeps what it is
sent in a folder. `server.fail` and `talking.Talk` have it misbehave; `answers` has a path answered otherwise for good.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from proxy.management.demo.backend import answers as rest
from proxy.management.demo.backend import page
from proxy.management.demo.backend.faults import typed
from proxy.management.demo.backend.serving import Reply, Request, Server, serving
from proxy.management.demo.backend.talking import Talk
from proxy.management.demo.backend.uploads import Archive, Archives, said

TOKEN: Final = "t0ken-of-the-proxy"  # noqa: S105 - of a server for demonstrations and tests
WORKSPACE: Final = "ws-7"
PROXY: Final = "p1"
CONFIGURATION: Final = "/api/v1/proxy/configuration"
USAGE: Final = "fail " + " | ".join((
    "status 503", "retry-after 429 5", "nonsense", "drop 1000", "slow 3", "half", "trickle 0.1", "deaf 1000 5",
))  # fmt: skip
OURS: Final = re.compile(r"/api/v1/proxy/([^/]+)(/.+)")
PROXIES: Final = re.compile(r"/api/v1/workspaces/([^/]+)/proxies/([^/]+)")


@dataclass
class Backend(Talk):
    """`configuration` is what it says of us; None: it does not know us."""

    folder: Path = field(kw_only=True)
    configuration: Any = None
    is_active: bool = True
    users: dict[str, Mapping[str, object]] = field(default_factory=dict)  # by token, who that is
    answers: dict[str, Reply] = field(default_factory=dict)  # by path, instead of the right one
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.uploaded = Archives(self.folder)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def asked(self) -> list[str]:
        """Paths, with their query."""
        return self.server.paths()

    @property
    def archives(self) -> dict[str, Archive]:
        return self.uploaded.by_name

    @property
    def uploads(self) -> int:
        return self.uploaded.uploads

    def answer(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        if parts.path == "/":
            return Reply(200, page.html(self).encode(), "text/html; charset=utf-8")
        bearer = request.headers.get("Authorization", "")
        if bearer and (found := PROXIES.fullmatch(parts.path)):
            return self._override(parts.path, parts.query) or self._user(bearer, found[1], found[2])
        if request.headers.get("X-Proxy-Key") != self.key:
            return said(401, {"detail": "Invalid proxy key"})
        return self._override(parts.path, parts.query) or self._right(request, parts.path)

    def _override(self, path: str, query: str) -> Reply | None:
        subject = parse_qs(query).get("subject_id", [""])[0]
        return self.answers.get(f"{path}?subject_id={subject}") or self.answers.get(path)

    def _right(self, request: Request, path: str) -> Reply:
        if not self.is_active:
            return said(403, {"detail": "inactive"})
        if path == CONFIGURATION and self.configuration is not None:
            return said(200, self.configuration)
        found = OURS.fullmatch(path)
        return (
            rest.answer(self.uploaded, request, found[2])
            if found and found[1] == self.workspace
            else rest.UNKNOWN
        )

    def _user(self, bearer: str, workspace: str, proxy: str) -> Reply:
        user = self.users.get(bearer.removeprefix("Bearer "))
        if user is None:
            return said(401, {"detail": "Invalid token"})
        if (workspace, proxy) != (self.workspace, self.proxy_id):
            return said(404, {"detail": "Not found"})
        return said(200, {"id": proxy, "workspace_id": workspace, "user": dict(user)})

    def hear(self, line: str) -> str:
        """What a developer types: `fail ...`, `cut`, `half`, or an event and the id of its entity. Gives back what
        came of it."""
        words = line.split()
        if not words:
            return ""
        if words[0] == "fail":
            return self._fail(words[1:])
        if words[0] in {"cut", "half"}:
            count = len(self.lines)
            self.cut(half_a_frame=words[0] == "half")
            return f"cut {count}"
        event = {"event_type": words[0], "entity_id": " ".join(words[1:])}
        event["correlation_id"] = f"c-{len(self.heard)}-{len(self.archives)}"
        self.say(event)
        return f"said to {len(self.lines)}: {event}"

    def _fail(self, words: list[str]) -> str:
        fault = typed(words)
        if fault is None:
            return USAGE
        self.server.fail(fault)
        return f"the next request: {fault}"


def short(workspace: str = WORKSPACE, proxy: str = PROXY) -> dict[str, object]:
    """The least that a configuration says."""
    return {"id": proxy, "workspace_id": workspace, "is_active": True}


@contextmanager
def open_backend(
    folder: Path,
    port: int = 0,
    configuration: object = None,
    key: str = TOKEN,
    workspace: str = WORKSPACE,
    *,
    keeps: bool = False,
) -> Iterator[Backend]:
    """What arrives lies in `folder`, which is removed at the end, unless it `keeps` it for another time."""
    backend = Backend(key, workspace, PROXY, folder=folder, configuration=configuration)
    with serving(backend.answer, port=port, attend=backend.attend) as backend.server:
        try:
            yield backend
        finally:
            backend.cut()
            if not keeps:
                shutil.rmtree(folder, ignore_errors=True)


def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for it; TimeoutError if it never comes."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came")
        time.sleep(0.02)
