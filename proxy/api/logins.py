"""Who came in by the API. A program shows its token with every request; that it came is marked once a shift."""

import hashlib
from typing import Final

from rest_framework.request import Request

from proxy.api.doors import caller
from proxy.audit.actions import LOGGED_IN, LOGIN_FAILED
from proxy.audit.record import record
from proxy.vault.remembered import Remembered

SHIFT: Final = 8 * 3600.0  # seconds
DOOR: Final = "api"
NOBODY: Final = "somebody unknown"

_seen: Remembered[bytes, bool] = Remembered(10_000, SHIFT)


def came(request: Request, who: str, token: str) -> None:
    """Once for a token and an address, by this process. What cannot be marked does not come in."""
    address = caller(request).address
    key = hashlib.sha256(f"{address}\0{token}".encode()).digest()
    if _seen.get(key) is None:
        record(LOGGED_IN, actor=who, subject=who, detail={"address": address, "door": DOOR})
        _seen.put(key, True)


def failed(request: Request) -> None:
    """Whose it was meant to be, nobody knows. So many of one address are answered with 429 and not marked any more."""
    record(LOGIN_FAILED, actor=NOBODY, detail={"address": caller(request).address, "door": DOOR})


def forget() -> None:
    _seen.clear()
