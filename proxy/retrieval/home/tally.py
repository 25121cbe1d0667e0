"""Count results: received = delivered + excluded + in flight. The two sides come from different tables on purpose.

`expired` is a part of the received: their files are gone here.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import CharField, Count, F, Q, QuerySet, Value

from proxy.retrieval.home.lifecycle import DELIVERED, DROPPED
from proxy.retrieval.models import Homecoming, Result

RECEIVED, EXPIRED = "received", "expired"
_COLUMNS = {RECEIVED: "received", EXPIRED: "expired", DELIVERED: "delivered", DROPPED: "excluded"}


def entries(which: Q, key: Any) -> Iterator[tuple[Any, int, str, int]]:
    """(key, destination, column of the ledger, results), as one statement. `which` and `key` begin at the result, as in
    `result__received_at`. What is held on arrival is quarantine's to count."""
    bound: QuerySet[Any] = Result.destinations.through.objects.filter(which)
    gone = bound.filter(result__expired_at__isnull=False)
    states: QuerySet[Any] = Homecoming.objects.filter(which)
    received = _counted(bound, key, Value(RECEIVED, CharField()))
    others = _counted(gone, key, Value(EXPIRED, CharField())), _counted(states, key, F("state"))
    for about, destination_id, state, results in received.union(*others, all=True):
        yield about, destination_id, _COLUMNS.get(state, "in flight"), results


def _counted(rows: "QuerySet[Any]", key: Any, what: Any) -> "QuerySet[Any]":
    """By a number and no column, as `deliveries/ledger.py` says why."""
    place = F("destination_id") + Value(0)
    said = rows.order_by().values(key=key, place=place, what=what).annotate(results=Count("pk"))
    counted: QuerySet[Any] = said.values_list("key", "place", "what", "results")
    return counted
