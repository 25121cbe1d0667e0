"""Count results: received = delivered + excluded + in flight. The two sides come from different tables on purpose."""

from collections.abc import Iterator
from typing import Any

from django.db.models import CharField, Count, F, Q, QuerySet, Value

from proxy.retrieval.home.lifecycle import DELIVERED, DROPPED
from proxy.retrieval.models import Homecoming, Result

RECEIVED = "received"
_COLUMNS = {RECEIVED: "received", DELIVERED: "delivered", DROPPED: "excluded"}


def entries(which: Q, key: Any) -> Iterator[tuple[Any, int, str, int]]:
    """(key, destination, column of the ledger, results), as one statement. `which` and `key` begin at the result:
    `result__received_at`. What is held on arrival is quarantine's to count."""
    bound: QuerySet[Any] = Result.destinations.through.objects.filter(which)
    states: QuerySet[Any] = Homecoming.objects.filter(which)
    received = _counted(bound, key, Value(RECEIVED, CharField()))
    for about, destination_id, state, results in received.union(_counted(states, key, F("state")), all=True):
        yield about, destination_id, _COLUMNS.get(state, "in flight"), results


def _counted(rows: "QuerySet[Any]", key: Any, what: Any) -> "QuerySet[Any]":
    said = rows.order_by().values("destination_id", key=key, what=what).annotate(results=Count("pk"))
    counted: QuerySet[Any] = said.values_list("key", "destination_id", "what", "results")
    return counted
