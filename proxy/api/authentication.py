"""Who asks: a user of the backend by their token, or the backend itself by the key that we show it.

Whoever fails too often waits, before the backend is asked once more.
"""

import hmac
import re
from typing import Any, Final

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from proxy.api import confirming, logins
from proxy.api.doors import caller
from proxy.api.problems import Problem
from proxy.rates import Rates

TOKEN: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")  # RFC 6750 2.1
LONGEST: Final = 8_000  # characters
CHALLENGE: Final = 'Bearer realm="postern"'
MOST_FAILURES: Final = 10  # in a minute, of one address
THE_BACKEND: Final = "the backend"

failures: Final = Rates()


def refused(why: str = "invalid_token", challenge: str = CHALLENGE) -> Problem:
    headers = {"WWW-Authenticate": f'{challenge}, error="{why}"'}
    return Problem(401, "not-authenticated", "This token or key is not accepted.", headers=headers)


class UserToken(BaseAuthentication):
    """`Authorization: Bearer`, confirmed with the backend. The user is a `BackendUser`."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        said = request.META.get("HTTP_AUTHORIZATION", "")
        if not said:
            return None
        spare(request)
        found = TOKEN.fullmatch(said) if len(said) <= LONGEST else None
        user = confirming.confirmed(found[1]) if found else None
        if user is None:
            raise failed(request)
        logins.came(request, str(user), found[1] if found else "")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class ProxyKey(BaseAuthentication):
    """`X-Proxy-Key`, our ITH_TOKEN, which the backend knows: the same key that we show when we ask."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        said = request.META.get("HTTP_X_PROXY_KEY", "")
        if not said:
            return None
        spare(request)
        if not settings.ITH_TOKEN or not hmac.compare_digest(said.encode(), settings.ITH_TOKEN.encode()):
            raise failed(request)
        logins.came(request, THE_BACKEND, said)
        return THE_BACKEND, None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def spare(request: Request) -> None:
    """Raises the 429 of somebody who has failed often."""
    wait = failures.wait(caller(request).neighbourhood, MOST_FAILURES)
    if wait:
        raise Problem(429, "too-many-requests", "Too many tokens were not accepted; wait.", wait)


def failed(request: Request, challenge: str = CHALLENGE) -> Problem:
    logins.failed(request)
    failures.take(caller(request).neighbourhood, MOST_FAILURES)
    return refused(challenge=challenge)
