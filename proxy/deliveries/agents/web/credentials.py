"""Say who we are: a header, or a token that is fetched with the client's credentials (RFC 6749 4.4) and kept.

Tokens live in this process alone, until shortly before they expire. Whoever hears 401 forgets the token and asks
once more. Secrets and tokens go into headers and nowhere else.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from proxy.deliveries.addresses import Auth, Credentials
from proxy.deliveries.agents.web.bodies import Body
from proxy.deliveries.agents.web.line import Answer, Line
from proxy.deliveries.agents.web.meanings import meaning, retry_after
from proxy.deliveries.outcomes import TryLater

MARGIN = 30.0  # seconds: a token that ends while it travels is none
UNSAID = 300.0  # seconds a token holds that does not say how long it does
LONGEST = 86_400.0
NO_SECRET = TryLater("The destination's secret is set nowhere: put it into the variable that `secret` names.")
BAD_SECRET = TryLater(
    "The destination's secret has characters that no header can carry; check what `secret` names."
)
NO_TOKEN = TryLater("The token service answers 200 and gives no token; check token_url.")

_lock = threading.Lock()
_tokens: dict[str, tuple[str, float]] = {}


def ask(
    line: Line,
    credentials: Credentials,
    method: str,
    url: str,
    said: Mapping[str, str],
    body: Body | bytes = b"",
) -> Answer | TryLater:
    """Ask as whom the credentials say; once more if a token was not accepted any longer."""
    for is_last in (False, True):
        ours = headers(credentials, line)
        if isinstance(ours, TryLater):
            return ours
        answer = line.ask(method, url, {**said, **ours}, body)
        if is_last or isinstance(answer, TryLater) or answer.status != 401 or not forget(credentials):
            break
    return answer


def headers(credentials: Credentials, line: Line) -> Mapping[str, str] | TryLater:
    """What a request must carry; for OAuth2 this may fetch a token first."""
    auth, secret = credentials.auth, credentials.secret
    if auth is Auth.NONE:
        return {}
    if not secret:
        return NO_SECRET
    if not _carried(secret):
        return BAD_SECRET
    if auth is Auth.HEADER:
        return {credentials.header: secret}
    if auth is Auth.BASIC:
        return {"Authorization": _basic(credentials.user, secret)}
    token = secret if auth is Auth.BEARER else _token(credentials, line)
    return token if isinstance(token, TryLater) else {"Authorization": f"Bearer {token}"}


def forget(credentials: Credentials) -> bool:
    """The token was not accepted. True: another one may be, so it is worth asking again."""
    with _lock:
        _tokens.pop(_key(credentials), None)
    return credentials.auth is Auth.OAUTH2


def _carried(secret: str) -> bool:
    return secret.isprintable() and secret.isascii()


def _basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def _token(credentials: Credentials, line: Line) -> str | TryLater:
    key = _key(credentials)
    with _lock:
        token, until = _tokens.get(key, ("", 0.0))
    if token and time.monotonic() < until:
        return token
    asked_at = time.monotonic()
    answer = _ask(credentials, line)
    if isinstance(answer, TryLater):
        return TryLater(f"No token: {answer.reason}", answer.after, answer.rests)
    found = _read(answer)
    if isinstance(found, TryLater):
        return found
    with _lock:
        _tokens[key] = (found[0], asked_at + max(found[1] - MARGIN, found[1] / 2))
    return found[0]


def _ask(credentials: Credentials, line: Line) -> Answer | TryLater:
    """The client says who it is by HTTP Basic, which every server must know (RFC 6749 2.3.1)."""
    wanted = {"grant_type": "client_credentials"} | (
        {"scope": credentials.scope} if credentials.scope else {}
    )
    said = {
        "Authorization": _basic(quote(credentials.user, safe=""), quote(credentials.secret, safe="")),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    return line.ask("POST", credentials.token_url, said, urlencode(wanted).encode())


def _read(answer: Answer) -> tuple[str, float] | TryLater:
    if answer.status != 200:
        said = meaning(answer.status).sentence.replace("The destination", "The token service", 1)
        return TryLater(said, retry_after(answer.retry_after, datetime.now(UTC)))
    try:
        said = json.loads(answer.body)
        token, seconds = said["access_token"], float(said.get("expires_in", UNSAID))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return NO_TOKEN
    if not isinstance(token, str) or not token or not _carried(token) or not seconds > 0:
        return NO_TOKEN
    return token, min(seconds, LONGEST)


def _key(credentials: Credentials) -> str:
    """Names the token without holding the secret."""
    parts = (credentials.token_url, credentials.user, credentials.scope, credentials.secret)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
