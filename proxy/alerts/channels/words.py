"""What an e-mail says, made of a notice's body."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

EVENTS: Final = {"raised": "raised", "worse": "worse", "cleared": "cleared", "test": "a test"}


def subject(body: Mapping[str, Any]) -> str:
    """One line: of one alert what it is, of several how many."""
    before = f"[Postern {body['from']}]"
    alerts = body["alerts"]
    if len(alerts) == 1 and not body["more"]:
        [one] = alerts
        return f"{before} {EVENTS[one['event']]}: {one['subject']}: {one['title']}"
    counts = Counter(one["event"] for one in alerts)
    said = ", ".join(f"{counts[event]} {word}" for event, word in EVENTS.items() if counts[event])
    return f"{before} alerts: {said}"


def text(body: Mapping[str, Any]) -> str:
    return "\n".join([*_lines(body), f"Told by {body['from']} at {body['at']}, notice {body['id']}.", ""])


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    for one in body["alerts"]:
        yield f"{EVENTS[one['event']].upper()}: {one['subject']}: {one['title']}"
        yield one["sentence"] if one["event"] != "cleared" else "It is gone. Last it was: " + one["sentence"]
        if one["advice"]:
            yield f"What to do: {one['advice']}"
        yield f"Rule {one['rule']}, since {one['since']}."
        yield ""
    if body["more"]:
        yield f"And {body['more']} more; `alerts` and the admin's page Alerts have all of them."
        yield ""
