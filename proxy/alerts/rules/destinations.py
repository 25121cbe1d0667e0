"""Destinations that take nothing, and what they have refused."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Q, QuerySet

from proxy.alerts.findings import HOUR, MINUTE, Finding, Rule, counted
from proxy.deliveries.lifecycle import REFUSED, WAITING
from proxy.deliveries.models import Delivery
from proxy.retrieval.home.lifecycle import REFUSED as HOME_REFUSED
from proxy.retrieval.models import Homecoming
from proxy.routing.models import Destination

PAUSED_FOR: Final = timedelta(days=1)


def resting(now: datetime) -> Iterator[Finding]:
    """With its last trouble: reasons are ours, never a peer's own words (`deliveries/outcomes.py`)."""
    rows = list(_in_force().filter(failures__gt=0, paused_at=None).exclude(rests_until=None))
    waiting = _counts(rows, WAITING)
    for row in rows:
        said = f"It has failed {counted(row.failures, 'time')} in a row and rests between its tries;"
        left = counted(waiting.get(row.pk, 0), "delivery")
        yield Finding(row.name, f"{said} {left} waiting. {row.trouble}")


def paused(now: datetime) -> Iterator[Finding]:
    rows = list(_in_force().filter(paused_at__lt=now - PAUSED_FOR))
    waiting = _counts(rows, WAITING)
    for row in rows:
        if waiting.get(row.pk):
            said = f"A person has paused it on {row.paused_at:%Y-%m-%d}"
            yield Finding(row.name, f"{said}; {counted(waiting[row.pk], 'delivery')} waiting.")


def retired(now: datetime) -> Iterator[Finding]:
    """Out of force, or its node is: nobody sends there any more, and nothing is given up without a person."""
    gone = Q(retired_at__isnull=False) | Q(node__retired_at__isnull=False)
    rows = list(Destination.objects.filter(gone).order_by("name"))
    waiting, refused = _counts(rows, WAITING), _counts(rows, REFUSED)
    for row in rows:
        if many := waiting.get(row.pk, 0) + refused.get(row.pk, 0):
            said = f"It, or its node, is out of force, and {counted(many, 'delivery')} had not arrived there."
            yield Finding(row.name, said, many)


def refused(now: datetime) -> Iterator[Finding]:
    rows = list(_in_force())
    deliveries = _counts(rows, REFUSED)
    for row in rows:
        if many := deliveries.get(row.pk, 0):
            yield Finding(row.name, f"It has refused {counted(many, 'delivery')}.", many)
    yield from _refused_results()


def _refused_results() -> Iterator[Finding]:
    rows = Homecoming.objects.filter(state=HOME_REFUSED, destination__retired_at=None).order_by()
    for name, many in rows.values_list("destination__name").annotate(results=Count("pk")):
        said = f"It has refused {counted(many, 'result')} that should come home."
        yield Finding(f"{name} (results)", said, many)


def _in_force() -> "QuerySet[Destination]":
    return Destination.objects.filter(retired_at=None).order_by("name")


def _counts(rows: list[Destination], state: str) -> Mapping[int, int]:
    """By the index of destination and state."""
    found = Delivery.objects.filter(destination__in=[row.pk for row in rows], state=state).order_by()
    return dict(found.values_list("destination").annotate(deliveries=Count("pk")))


RULES: Final = (
    Rule(
        "destination-resting",
        "the destination rests",
        "See that it runs and can be reached, and that `doctor` finds nothing at it. What waits goes by itself once it"
        " answers; `Resume` on the admin's page Destinations tries at once.",
        resting,
        patience=10 * MINUTE,
    ),
    Rule(
        "destination-paused",
        "the destination was paused and is still so",
        "Resume it on the admin's page Destinations; or drop what waits, and take it out of the site file.",
        paused,
        every=10 * MINUTE,
    ),
    Rule(
        "destination-retired",
        "the destination was retired while deliveries waited for it",
        "Name it in the site file again, and they go by themselves; or drop them on the admin's page Deliveries, which"
        " the ledger counts as excluded.",
        retired,
        every=10 * MINUTE,
        calm=24 * HOUR,
    ),
    Rule(
        "delivery-refused",
        "the destination has refused deliveries",
        "Read the reasons on the admin's page Deliveries (state refused); mend what they name, then retry, or drop what"
        " should not go.",
        refused,
        patience=2 * MINUTE,
        calm=4 * HOUR,
    ),
)
