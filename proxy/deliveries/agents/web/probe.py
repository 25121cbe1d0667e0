"""Knock at a web destination without leaving anything there: does it answer, and does it know us?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proxy.deliveries.addresses import Web
from proxy.deliveries.agents.web import credentials
from proxy.deliveries.agents.web.line import Line, Patience
from proxy.deliveries.agents.web.meanings import Kind, meaning, retry_after
from proxy.deliveries.outcomes import TryLater
from proxy.network.addresses import goes_in_clear

PATIENCE = Patience(connect=5.0, sending=5.0, silence=5.0, answer=10.0)
UNKNOWING = {401, 403, 407}


@dataclass(frozen=True, slots=True)
class Knock:
    """`status` is 0 where there was no answer; `after` is what the service asks for itself."""

    answers: bool
    sentence: str
    status: int = 0
    after: timedelta | None = None


def knock(to: Web, path: str, said: Mapping[str, str] | None = None) -> Knock:
    """By a GET. Over a line that others can read along, no secret is shown: then any answer is an answer."""
    in_clear = goes_in_clear(to.url)
    with Line(to.trust, lambda: True, "Postern", PATIENCE) as line:
        url, headers = (
            f"{to.url}{path}",
            {"Accept": "application/json, application/dicom+json", **(said or {})},
        )
        answer = (
            line.ask("GET", url, headers)
            if in_clear
            else credentials.ask(line, to.credentials, "GET", url, headers)
        )
    if isinstance(answer, TryLater):
        return Knock(False, answer.reason)
    what = meaning(answer.status)
    redirected, unknown = answer.status // 100 == 3, answer.status in UNKNOWING and not in_clear
    if redirected or unknown or (answer.status >= 500 and what.kind is Kind.LATER):
        after = retry_after(answer.retry_after, datetime.now(UTC))
        return Knock(False, what.sentence, answer.status, after)
    return Knock(True, f"answers (HTTP {answer.status}).", answer.status)
