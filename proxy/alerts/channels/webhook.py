"""By a POST of JSON that is signed, so that whoever gets it knows that we said it, and when.

`Postern-Signature: sha256=` and HMAC-SHA256 under ALERT_WEBHOOK_SECRET, in hexadecimal, over the value of
`Postern-Timestamp` (seconds since 1970), a full stop, and the body as it came. `Postern-Id` is the same at every try.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from proxy.alerts.channels.outcomes import NotTold
from proxy.deliveries.addresses import Trust
from proxy.deliveries.agents.web.line import Line, Patience
from proxy.deliveries.agents.web.meanings import meaning, retry_after
from proxy.deliveries.outcomes import TryLater
from proxy.routing.peers import file_of

PATIENCE: Final = Patience(connect=5.0, sending=10.0, silence=10.0, answer=20.0)


def place() -> str:
    """Its path may be a secret of its own: only the host is said."""
    parts = urlsplit(settings.ALERT_WEBHOOK_URL)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if settings.ALERT_WEBHOOK_URL else ""


def tell(body: Mapping[str, Any]) -> NotTold | None:
    """None: it has said 2xx."""
    trust = Trust(file_of(settings.ALERT_AUTHORITIES))
    return post(settings.ALERT_WEBHOOK_URL, body, settings.ALERT_WEBHOOK_SECRET, trust)


def post(url: str, body: Mapping[str, Any], secret: str, trust: Trust) -> NotTold | None:
    """To any webhook of this form; `body` has an `id`. None: it has said 2xx."""
    content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    headers = signed(content, str(body["id"]), secret, int(time.time()))
    with Line(trust, lambda: True, "Postern", PATIENCE) as line:
        answer = line.ask("POST", url, headers, content)
    if isinstance(answer, TryLater):
        return NotTold(_ours(answer.reason))
    if 200 <= answer.status < 300:
        return None
    after = retry_after(answer.retry_after, datetime.now(UTC))
    return NotTold(_ours(meaning(answer.status).sentence), after)


def signed(content: bytes, notice_id: str, secret: str, at: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Postern-Id": notice_id,
        "Postern-Timestamp": str(at),
        "Postern-Signature": f"sha256={signature(content, secret, at)}",
    }


def signature(content: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + content, hashlib.sha256).hexdigest()


def _ours(sentence: str) -> str:
    """Sentences of deliveries speak of a destination."""
    return sentence.replace("destination", "webhook")
