"""Whose token is this? The backend says so, and its word holds for half a minute.

Only a digest of a token is remembered. What is not confirmed is not let in: neither a token that the backend does not
know, nor one that it cannot be asked about. A few questions at once are enough, so that a slow backend, or somebody who
makes tokens up, does not take all threads of the web process.
"""

import hashlib
import logging
from threading import BoundedSemaphore
from typing import Final

from django.conf import settings

from proxy.api import seats
from proxy.api.problems import Problem
from proxy.backend import remembered, users
from proxy.backend.users import BackendUser
from proxy.deliveries.agents.web import platform
from proxy.deliveries.agents.web.line import Line, Patience
from proxy.deliveries.directions import backend_in_clear, backend_trust
from proxy.vault.remembered import Remembered

log = logging.getLogger(__name__)

PATIENCE: Final = Patience(connect=3.0, sending=5.0, silence=5.0, answer=8.0)
AT_ONCE: Final = 4
HOLDS_FOR: Final = 30.0  # seconds

_asking = BoundedSemaphore(AT_ONCE)
_known: Remembered[bytes, BackendUser] = Remembered(1_000, HOLDS_FOR)

NO_BACKEND: Final = "There is no backend here that could say whose token this is."
NOT_YET: Final = "The backend has not told us yet which proxy we are; ask again."
BUSY: Final = "Too many tokens are being confirmed just now; ask again."
AWAY: Final = "The backend cannot say now whose token this is; ask again."


def confirmed(token: str) -> BackendUser | None:
    """None: the backend does not let this token in. Raises Problem where it cannot be asked."""
    digest = hashlib.sha256(token.encode()).digest()
    known = _known.get(digest)
    if known is not None:
        return known
    user = _ask(token)
    if user is not None:
        _known.put(digest, user)
    return user


def forget() -> None:
    _known.clear()


def _ask(token: str) -> BackendUser | None:
    if not (settings.ITH_URL and settings.ITH_TOKEN):
        raise Problem(503, "no-backend", NO_BACKEND)
    if in_clear := backend_in_clear():
        raise Problem(503, "no-backend", in_clear.reason)
    known = remembered.last_known()
    if not (known.workspace_id and known.proxy_id):
        raise Problem(503, "no-backend", NOT_YET, 10.0)
    ids = known.workspace_id, known.proxy_id
    with (
        seats.taken(_asking, BUSY, 1.0),
        Line(backend_trust(), lambda: True, platform.AGENT, PATIENCE) as line,
    ):
        said = platform.user(line, settings.ITH_URL, settings.ITH_TOKEN, ids, token)
    return _user(said, *ids)


def _user(said: platform.Said | platform.Trouble | None, workspace: str, proxy: str) -> BackendUser | None:
    if isinstance(said, platform.Trouble):
        log.warning("a user's token could not be confirmed: %s", said.reason)
        after = said.after.total_seconds() if said.after else 5.0
        raise Problem(503, "not-confirmed", AWAY, after)
    user = users.read(said.what, workspace, proxy) if said is not None else None
    if isinstance(user, str):
        log.warning("a user's token was not believed: %s", user)
        return None
    return user
