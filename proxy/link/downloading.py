"""Fetch an archive from the backend into a file: streamed, bounded, never slower than worth waiting for."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from proxy.link import addresses
from proxy.storage.space import has_room

TIMEOUT: Final = (5.0, 60.0)  # seconds: to connect, between two pieces
PIECE: Final = 1 << 20
MEGABYTE: Final = 1 << 20
SLOWEST: Final = 1_000  # bytes in a second, on average, after the first minute
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
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str


AWAY: Final = Later("The backend cannot be reached, or broke off; the download is tried again.")
TOO_SLOW: Final = Later("The backend sends slower than is worth waiting for; the download is tried again.")
NO_ROOM: Final = Later("There is no room on the disk for what the backend sends; make some.")
TOO_LARGE: Final = Failed("The archive is larger than DISPATCH_LIMIT.")
UNKNOWN: Final = Failed("The backend does not have what it dispatched (404).")
NOT_OURS: Final = Failed("The backend does not give it to us (403).")


@dataclass(frozen=True, slots=True)
class Bounds:
    """In bytes: of the archive, and what must stay free on its disk."""

    largest: int
    watermark: int


def path_of(wanted: Wanted) -> str:
    return f"/api/v1/proxy/{wanted.workspace}/{PLURALS[wanted.kind]}/{wanted.entity}/download"


def download(base: str, key: str, wanted: Wanted, into: Path, bounds: Bounds) -> Later | Failed | None:
    """None: the whole archive is there."""
    params = {"compression_format": "zip", "compression_level": "1"}
    if wanted.subject:
        params["subject_id"] = wanted.subject
    try:
        with requests.get(
            addresses.rest(base, path_of(wanted)),
            params=params,
            headers={"X-Proxy-Key": key, "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as answer:
            return _refused(answer.status_code) or _kept(answer, into, bounds)
    except (requests.RequestException, OSError):
        return AWAY


def _refused(status: int) -> Later | Failed | None:
    if status == 200:
        return None
    if status in {403, 404, 410}:
        return NOT_OURS if status == 403 else UNKNOWN
    return Later(f"The backend answers the download with HTTP status {status}; it is tried again.")


def _kept(answer: "requests.Response", into: Path, bounds: Bounds) -> Later | Failed | None:
    began, size = time.monotonic(), 0
    with into.open("wb") as file:
        for piece in answer.iter_content(PIECE):
            size += len(piece)
            if size > bounds.largest:
                return TOO_LARGE
            if not has_room(into.parent, bounds.watermark):
                return NO_ROOM
            if is_too_slow(size, time.monotonic() - began):
                return TOO_SLOW
            file.write(piece)
    return None


def is_too_slow(size: int, seconds: float) -> bool:
    return seconds > 60 and size < SLOWEST * seconds
