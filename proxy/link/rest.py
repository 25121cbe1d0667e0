"""Ask the backend over HTTP. What comes back is an outcome, and bounded: the backend is a stranger too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import requests

from proxy.backend.models import Standing
from proxy.link import addresses

TIMEOUT: Final = (5.0, 20.0)  # seconds: to connect, between two pieces
LARGEST: Final = 4 << 20
PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Said:
    """JSON, not yet checked."""

    what: object


@dataclass(frozen=True, slots=True)
class Trouble:
    """One of `Standing.STATES`, and what an operator should do."""

    state: str
    reason: str


AWAY = "The backend cannot be reached; check ITH_URL, the network and the proxy settings."
UNAUTHORISED = "The backend does not accept our key; take a new ITH_TOKEN from its dashboard."
INACTIVE = "The backend has set this proxy inactive; activate it in its dashboard."
UNKNOWN = "The backend does not know this proxy; check ITH_URL and ITH_TOKEN."
ELSEWHERE = (
    "The backend sends us to another address, where our key does not go; put that address into ITH_URL."
)
TOO_LONG = "The backend's answer is longer than any configuration; check ITH_URL."
NO_JSON = "The answer is no JSON; check whether ITH_URL is the backend's address."


def configuration(base: str, key: str) -> Said | Trouble:
    """What the backend says about us, or why it says nothing."""
    try:
        with requests.get(
            addresses.rest(base, addresses.CONFIGURATION),
            headers={"X-Proxy-Key": key, "Accept": "application/json"},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as answer:
            return judge(answer.status_code, _body(answer))
    except (requests.RequestException, OSError, ValueError):
        return Trouble(Standing.AWAY, AWAY)


def judge(status: int, body: bytes | None) -> Said | Trouble:
    """`body` is None if it is too long to be read."""
    said = _parsed(body)
    if status == 200:
        return _believed(body, said)
    if status == 401:
        return Trouble(Standing.UNAUTHORISED, UNAUTHORISED)
    if status == 403 and isinstance(said, dict):
        return Trouble(Standing.INACTIVE, INACTIVE)
    if status == 404:
        return Trouble(Standing.UNKNOWN, UNKNOWN)
    if 300 <= status < 400:
        return Trouble(Standing.NONSENSE, ELSEWHERE)
    return Trouble(Standing.AWAY, f"The backend answers with HTTP status {status}; it is asked again.")


def _believed(body: bytes | None, said: object) -> Said | Trouble:
    if body is None:
        return Trouble(Standing.NONSENSE, TOO_LONG)
    return Said(said) if isinstance(said, Mapping) else Trouble(Standing.NONSENSE, NO_JSON)


def _parsed(body: bytes | None) -> object:
    try:
        return json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None


def _body(answer: "requests.Response") -> bytes | None:
    found = bytearray()
    for piece in answer.iter_content(PIECE):
        found += piece
        if len(found) > LARGEST:
            return None
    return bytes(found)
