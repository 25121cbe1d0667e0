"""Count results: received = delivered + excluded + in flight. The two sides come from different tables on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, QuerySet, Value

from proxy.retrieval.home.lifecycle import DELIVERED, DROPPED
from proxy.retrieval.models import Homecoming, Result

RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class Tally:
    """The results of one destination. What is held on arrival is quarantine's to count."""

    received: int = 0
    delivered: int = 0
    excluded: int = 0
    in_flight: int = 0


def tallies() -> Mapping[str, Tally]:
    """By the destination's name, all of one moment."""
    found: dict[str, dict[str, int]] = {}
    for name, state, count in _entries():
        account = found.setdefault(name, {})
        account[state] = account.get(state, 0) + count
    return {name: _tally(account) for name, account in found.items()}


def _entries() -> list[tuple[str, str, int]]:
    """(destination, state or `received`, results), as one statement."""
    bound: QuerySet[Any] = Result.destinations.through.objects.order_by()
    states: QuerySet[Any] = Homecoming.objects.order_by()
    received = bound.values(name=F("destination__name"), what=Value(RECEIVED)).annotate(count=Count("pk"))
    sent = states.values(name=F("destination__name"), what=F("state")).annotate(count=Count("pk"))
    return list(received.union(sent, all=True).values_list("name", "what", "count"))


def _tally(account: Mapping[str, int]) -> Tally:
    delivered, excluded = account.get(DELIVERED, 0), account.get(DROPPED, 0)
    sent = sum(count for state, count in account.items() if state != RECEIVED)
    return Tally(account.get(RECEIVED, 0), delivered, excluded, sent - delivered - excluded)
