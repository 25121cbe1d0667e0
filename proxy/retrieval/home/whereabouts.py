"""Where the results of a study are, and what somebody should do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from proxy.retrieval.home import lifecycle
from proxy.retrieval.models import Homecoming
from proxy.routing.breaker import zone
from proxy.routing.standing import sentence, standing_of, standstill

ADMIN = "in the admin (Homecomings)"


def whereabouts(project_id: int, study_uid: str, destination: str | None) -> Iterator[str]:
    """A line for each result and destination; `study_uid` is pseudonymous."""
    rows = Homecoming.objects.filter(result__project_id=project_id, result__study_uid=study_uid)
    if destination:
        rows = rows.filter(destination__name=destination)
    for row in rows.select_related("result__node", "destination__node").order_by("pk"):
        yield f"Result {row.result.uid} of {row.result.node.name} {said(row)}"


def said(row: Homecoming) -> str:
    place = row.destination.name
    match row.state:
        case lifecycle.DELIVERED:
            return f"is at {place} since {_at(row.finished_at)}. Nothing to do."
        case lifecycle.REFUSED:
            return (
                f"did not go to {place}: {row.reason} Mend the cause and send it again {ADMIN}, or drop it."
            )
        case lifecycle.DROPPED if row.result.expired_at:
            return f"to {place} was given up by a person; its file has gone since. Nothing to do."
        case lifecycle.DROPPED:
            return f"to {place} was given up by a person. Send it {ADMIN} if it should go."
        case lifecycle.CLAIMED:
            return f"is being sent to {place}. Wait a moment."
    return _waiting(row, place)


def _waiting(row: Homecoming, place: str) -> str:
    standing = replace(standing_of(row.destination), spent_until=None)  # results count for no limit
    still = standstill(standing, timezone.now(), zone(), row.reason)
    if still is not None:
        return f"waits for {place}; {sentence(still.why)} {still.todo}"
    if row.tries:
        return f"waits for {place}; try {row.tries} failed: {row.reason} It is tried again at {_at(row.next_try_at)}."
    return f"waits for {place}; it is its turn. If that lasts, start `manage.py work`."


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "some time"
