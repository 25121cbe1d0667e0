"""Ask the backend a question: the one way for everybody who does (link, doctor, deliveries, the API).

Over a `Line`, so everything that it promises holds: no redirect is followed, nothing is read without end, no `.netrc`
and no key to anybody but ITH_URL. The answer is JSON that nobody has checked yet, or trouble of a known kind.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from proxy.deliveries.agents.web.line import TOO_LARGE, Answer, Line
from proxy.deliveries.agents.web.meanings import retry_after
from proxy.deliveries.outcomes import TryLater

AGENT: Final = "Postern"
CONFIGURATION: Final = "/api/v1/proxy/configuration"


class Kind(StrEnum):
    """Why the backend has not said what it was asked; `proxy.backend.models.Standing` keeps them by these names."""

    AWAY = "away"
    UNAUTHORISED = "unauthorised"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"
    NONSENSE = "nonsense"


@dataclass(frozen=True, slots=True)
class Said:
    """JSON, not yet checked."""

    what: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Trouble:
    """`reason` says what an operator should do; `after` when the backend wants to be asked again; `rests` as in
    `TryLater`: not where we ourselves were told to stop."""

    kind: Kind
    reason: str
    after: timedelta | None = None
    rests: bool = True


UNAUTHORISED: Final = "The backend does not accept our key (401); take a new ITH_TOKEN from its dashboard."
INACTIVE: Final = "The backend has set this proxy inactive (403); activate it in its dashboard."
UNKNOWN: Final = "The backend does not know this proxy (404); check ITH_URL and ITH_TOKEN."
ELSEWHERE: Final = (
    "The backend sends us to another address, where our key does not go; put that address into ITH_URL."
)
TOO_LONG: Final = "The backend's answer is longer than any configuration; check ITH_URL."
NO_JSON: Final = "The answer is no JSON; check whether ITH_URL is the backend's address."


def configuration(line: Line, base: str, key: str) -> Said | Trouble:
    """What the backend says about us, or why it says nothing."""
    return _asked(line, base, CONFIGURATION, {"X-Proxy-Key": key})


def user(line: Line, base: str, key: str, ids: tuple[str, str], token: str) -> Said | Trouble | None:
    """Whose token this is, by the backend's word for the proxy of `ids` (workspace, proxy); None: it is nobody's here.

    Who asks so is somebody's browser, and not we: 401, 403 and 404 speak about them.
    """
    workspace, proxy = (quote(one, safe="") for one in ids)
    path = f"/api/v1/workspaces/{workspace}/proxies/{proxy}?include_user_info=true"
    headers = {"X-Proxy-Key": key, "Authorization": f"Bearer {token}"}
    found = _asked(line, base, path, headers)
    theirs = {Kind.UNAUTHORISED, Kind.INACTIVE, Kind.UNKNOWN}
    return None if isinstance(found, Trouble) and found.kind in theirs else found


def _asked(line: Line, base: str, path: str, headers: Mapping[str, str]) -> Said | Trouble:
    answer = line.ask("GET", f"{base.rstrip('/')}{path}", {"Accept": "application/json", **headers})
    if answer is TOO_LARGE:
        return Trouble(Kind.NONSENSE, TOO_LONG)
    if isinstance(answer, TryLater):
        return Trouble(Kind.AWAY, _of_the_backend(answer.reason), answer.after, answer.rests)
    said = parsed(answer.body)
    if answer.status == 200:
        return Said(said) if isinstance(said, dict) else Trouble(Kind.NONSENSE, NO_JSON)
    return _refused(answer.status, said) or _later(answer)


def _refused(status: int, said: object) -> Trouble | None:
    """A 403 without JSON is a firewall's, and says nothing about us."""
    if status == 401:
        return Trouble(Kind.UNAUTHORISED, UNAUTHORISED)
    if status == 403 and isinstance(said, dict):
        return Trouble(Kind.INACTIVE, INACTIVE)
    if status == 404:
        return Trouble(Kind.UNKNOWN, UNKNOWN)
    return Trouble(Kind.NONSENSE, ELSEWHERE) if 300 <= status < 400 else None


def _later(answer: Answer) -> Trouble:
    reason = f"The backend answers with HTTP status {answer.status}; it is asked again."
    return Trouble(Kind.AWAY, reason, retry_after(answer.retry_after, datetime.now(UTC)))


def parsed(body: bytes) -> object:
    """None if it is no JSON."""
    try:
        return json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None


def _of_the_backend(reason: str) -> str:
    return reason.replace("The destination", "The backend").replace("the destination", "the backend")
