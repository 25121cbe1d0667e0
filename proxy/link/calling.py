"""Call the backend's WebSocket. Our key goes to ITH_URL and nowhere else, whatever the answer says."""

import ssl
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, reconnect

from proxy.deliveries.addresses import SYSTEMS, Trust
from proxy.link import addresses
from proxy.link.messages import LARGEST

OPEN_TIMEOUT: Final = 10.0
PING_EVERY: Final = 20.0
CLOSE_TIMEOUT: Final = 2.0

REFUSALS: Final = {
    401: "The backend's WebSocket does not accept our key; take a new ITH_TOKEN from its dashboard.",
    403: "The backend's WebSocket refuses us: we are inactive there, or a proxy stands between; look at its dashboard.",
    404: "There is no WebSocket at ITH_URL; check the address.",
}
AWAY: Final = "The backend's WebSocket cannot be reached; it is tried again."
ELSEWHERE: Final = (
    "The backend's WebSocket sends us to another address, where our key does not go; correct ITH_URL."
)


@dataclass(frozen=True, slots=True)
class NotConnected:
    reason: str


class _Straight(reconnect):
    """The library would follow a redirect to another host with our key in hand."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def call(
    base: str, key: str, *, key_in_query: bool, trust: Trust = SYSTEMS
) -> ClientConnection | NotConnected:
    headers = {} if key_in_query else {"X-Proxy-Key": key}
    try:
        return _Straight(
            addresses.websocket(base, key if key_in_query else ""),
            additional_headers=headers,
            ssl=context(trust) if base.startswith("https:") else None,
            compression=None,
            open_timeout=OPEN_TIMEOUT,
            ping_interval=PING_EVERY,
            ping_timeout=PING_EVERY,
            close_timeout=CLOSE_TIMEOUT,
            max_size=LARGEST,
        ).connect()
    except InvalidStatus as answer:
        return NotConnected(_refused(answer.response.status_code))
    except (OSError, WebSocketException, ValueError, EOFError):
        return NotConnected(AWAY)


def context(trust: Trust) -> ssl.SSLContext:
    """Whom we believe, and what we show. OSError, if a file cannot be read."""
    made = ssl.create_default_context(cafile=trust.authorities)
    if trust.certificate is not None:
        made.load_cert_chain(trust.certificate, trust.key or trust.certificate)
    return made


def _refused(status: int) -> str:
    if 300 <= status < 400:
        return ELSEWHERE
    return REFUSALS.get(
        status, f"The backend's WebSocket answers with HTTP status {status}; it is tried again."
    )
