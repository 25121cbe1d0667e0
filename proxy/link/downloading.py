"""Fetch an archive from the backend into a file: streamed, bounded, never slower than worth waiting for.

What stands in its place is whole; half of one lies beside it until the next try. To stop us in the middle nobody waits
for a backend that is silent: the socket is shut.
"""

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import requests
from urllib3.exceptions import HTTPError

from proxy.backend.values import identifier
from proxy.deliveries.addresses import SYSTEMS, Trust
from proxy.deliveries.agents.web import line
from proxy.deliveries.agents.web.meanings import retry_after
from proxy.deliveries.agents.web.platform import AGENT
from proxy.deliveries.agents.web.watch import Watch, WatchedAdapter
from proxy.link import addresses
from proxy.routing.site.values import WrongValueError
from proxy.storage.space import has_room

TIMEOUT: Final = (5.0, 60.0)  # seconds: to connect, between two pieces
PIECE: Final = 1 << 20
MEGABYTE: Final = 1 << 20
SLOWEST: Final = 1_000  # bytes in a second, on average, after the first minute
LARGEST_FACTS: Final = 1 << 20
PLURALS: Final = {"session": "sessions", "scan": "scans", "subject": "subjects"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entity of the backend; all of these were checked to be ids."""

    workspace: str
    kind: str
    entity: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """`after`: the backend asked for as long a pause."""

    reason: str
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str


AWAY: Final = Later("The backend cannot be reached, or broke off; the download is tried again.")
TOO_SLOW: Final = Later("The backend sends slower than is worth waiting for; the download is tried again.")
NO_ROOM: Final = Later("There is no room on the disk for what the backend sends; make some.")
TOO_LARGE: Final = Failed("The archive is larger than DISPATCH_LIMIT.")
STOPPED: Final = Later("It was stopped, and goes on at the next start.")
NEEDS_SUBJECT: Final = Failed("The backend wants to know whose session it is, and does not tell us.")
UNKNOWN: Final = Failed("The backend does not have what it dispatched (404).")
NOT_OURS: Final = Failed("The backend does not give it to us (403).")


@dataclass(frozen=True, slots=True)
class Bounds:
    """In bytes: of the archive, and what must stay free on its disk."""

    largest: int
    watermark: int


@dataclass(slots=True)
class _Pace:
    """How much has come since the last question, and whether that is worth waiting for. `was_cut`: the line was
    shut, which to a body without a length looks like its end."""

    was_cut: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _size: int = 0

    def __post_init__(self) -> None:
        self._began = self.clock()

    def begin(self) -> None:
        self._began, self._size = self.clock(), 0

    def add(self, size: int) -> None:
        self._size += size

    def is_too_slow(self) -> bool:
        return is_too_slow(self._size, self.clock() - self._began)


def path_of(wanted: Wanted) -> str:
    return f"/api/v1/proxy/{wanted.workspace}/{PLURALS[wanted.kind]}/{wanted.entity}/download"


def download(
    base: str,
    key: str,
    wanted: Wanted,
    into: Path,
    bounds: Bounds,
    going: Callable[[], bool] = lambda: True,
    trust: Trust = SYSTEMS,
) -> Later | Failed | None:
    """None: the whole archive is there, and durable. STOPPED, if `going` turned false."""
    pace = _Pace()
    with (
        Watch(lambda: going() and not pace.is_too_slow(), math.inf) as watch,
        _session(key, trust, watch) as session,
    ):
        pace.was_cut = lambda: watch.stopped
        try:
            outcome = _fetch(session, base, wanted, into, bounds, pace)
            if outcome is NEEDS_SUBJECT and (subject := _subject_of(session, base, wanted, pace)):
                outcome = _fetch(session, base, replace(wanted, subject=subject), into, bounds, pace)
        except (requests.RequestException, HTTPError, OSError):
            outcome = AWAY
    if watch.stopped:
        return TOO_SLOW if pace.is_too_slow() and going() else STOPPED
    return outcome


def _session(key: str, trust: Trust, watch: Watch) -> requests.Session:
    adapter = WatchedAdapter(TIMEOUT[1])
    adapter.watched_by(watch)
    session = line.session(trust, adapter, AGENT)
    session.headers.update({"X-Proxy-Key": key, "Accept-Encoding": "identity"})
    return session


def _ask(session: requests.Session, url: str, params: dict[str, str]) -> requests.Response:
    more: dict[str, Any] = {"timeout": TIMEOUT, "proxies": line.proxies(url)}
    return session.get(url, params=params, allow_redirects=False, stream=True, **more)


def _fetch(
    session: requests.Session, base: str, wanted: Wanted, into: Path, bounds: Bounds, pace: _Pace
) -> Later | Failed | None:
    params = {"compression_format": "zip", "compression_level": "1"}
    if wanted.subject:
        params["subject_id"] = wanted.subject
    pace.begin()
    with _ask(session, addresses.rest(base, path_of(wanted)), params) as answer:
        if answer.status_code in {400, 422} and wanted.kind == "session" and not wanted.subject:
            return NEEDS_SUBJECT
        return _refused(answer) or _kept(answer, into, bounds, pace)


def _subject_of(session: requests.Session, base: str, wanted: Wanted, pace: _Pace) -> str:
    """Whose the session is, where the backend gives it to nobody who does not say so; empty if it does not tell."""
    path = path_of(wanted).removesuffix("/download")
    pace.begin()
    with _ask(session, addresses.rest(base, path), {}) as answer:
        body = answer.raw.read(LARGEST_FACTS, decode_content=False)
    try:
        said = json.loads(body)
        return str(identifier(said["subject_id"])) if answer.status_code == 200 else ""
    except (ValueError, RecursionError, KeyError, TypeError, WrongValueError):
        return ""


def _refused(answer: requests.Response) -> Later | Failed | None:
    status = answer.status_code
    if status == 200:
        return None
    if status in {403, 404, 410}:
        return NOT_OURS if status == 403 else UNKNOWN
    after = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
    reason = f"The backend answers the download with HTTP status {status}; it is tried again."
    return Later(reason, after or timedelta(0))


def _kept(answer: requests.Response, into: Path, bounds: Bounds, pace: _Pace) -> Later | Failed | None:
    part = into.with_suffix(".part")
    with part.open("wb") as file:
        trouble = _written(answer, file, bounds, pace)
        if trouble is not None:
            return trouble
        file.flush()
        os.fsync(file.fileno())
    if pace.was_cut():
        return STOPPED
    part.replace(into)
    return None


def _written(answer: requests.Response, file: BinaryIO, bounds: Bounds, pace: _Pace) -> Later | Failed | None:
    """Whatever has come is taken at once: to wait for a whole piece would hide how slowly it comes."""
    size = 0
    while piece := answer.raw.read1(PIECE, decode_content=True):
        size += len(piece)
        pace.add(len(piece))
        if size > bounds.largest:
            return TOO_LARGE
        if not has_room(Path(file.name).parent, bounds.watermark):
            return NO_ROOM
        if pace.is_too_slow():
            return TOO_SLOW
        file.write(piece)
    return None


def is_too_slow(size: int, seconds: float) -> bool:
    return seconds > 60 and size < SLOWEST * seconds
