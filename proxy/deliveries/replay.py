"""Send once more what a destination got in a span of time: it was rebuilt, or lost what it had.

What is sent again goes behind what is new, unless somebody wants it otherwise. A replay that is broken off has left its
mark, and the same one again goes on: it takes only what still counts as delivered in the span, and what goes out now
counts as delivered later than that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from proxy.audit.actions import DELIVERY_CHANGED
from proxy.audit.record import record
from proxy.deliveries.decisions import lock, send_again
from proxy.deliveries.lifecycle import DELIVERED
from proxy.deliveries.models import Delivery, Priority
from proxy.routing.models import Destination
from proxy.studies import excluding
from proxy.studies.lifecycle import EXCLUDED, EXPIRED

PAGE = 500


class WrongSpan(ValueError):
    """The message is a sentence."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` on, to before `until`."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: datetime, until: datetime | None, now: datetime) -> "Span":
        """Without an end it ends now: what the replay itself delivers is no part of it. Raises WrongSpan."""
        if since >= now:
            raise WrongSpan("This begins in the future: nothing was delivered since then.")
        if until is not None and until <= since:
            raise WrongSpan("This ends before it begins.")
        return cls(since, min(until or now, now))


@dataclass(frozen=True, slots=True)
class Amount:
    """How many deliveries and images go once more; and how many deliveries cannot, because their files are gone, or
    because a series of theirs is excluded by now."""

    deliveries: int
    images: int
    expired: int = 0
    excluded: int = 0


def outlook(destination: Destination, span: Span) -> Amount:
    """What a replay would send."""
    gone = Q(revision__state=EXPIRED)
    kept = ~gone & (Q(revision__state=EXCLUDED) | Q(holds_some=True))
    rows = _within(destination, span).annotate(holds_some=excluding.holds_some("revision"))
    found = rows.aggregate(
        deliveries=Count("pk", filter=~gone & ~kept),
        images=Sum("total", filter=~gone & ~kept),
        expired=Count("pk", filter=gone),
        excluded=Count("pk", filter=kept),
    )
    return Amount(found["deliveries"], found["images"] or 0, found["expired"], found["excluded"])


def replay(
    destination: Destination,
    span: Span,
    by: str,
    now: datetime,
    priority: Priority = Priority.BULK,
    why: str = "",
) -> Amount:
    """Send it; what was really set on its way again. The mark comes first."""
    expected = outlook(destination, span)
    _mark(destination, span, expected, by, priority, why)
    sent = [one.total for one in _pages(destination, span) if _again(one, now, priority)]
    return Amount(len(sent), sum(sent), expected.expired, expected.excluded)


def _within(destination: Destination, span: Span) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(
        destination=destination, state=DELIVERED, finished_at__gte=span.since, finished_at__lt=span.until
    )


def _pages(destination: Destination, span: Span) -> Iterator[Delivery]:
    """In the order in which they were made, a page at a time: there may be many, with a bit for each image."""
    last = 0
    while page := list(
        _within(destination, span).filter(pk__gt=last).order_by("pk").defer("acks", "commits")[:PAGE]
    ):
        yield from page
        last = page[-1].pk


def _again(delivery: Delivery, now: datetime, priority: Priority) -> bool:
    with transaction.atomic():
        lock(delivery)
        still = Delivery.objects.filter(pk=delivery.pk, state=DELIVERED)
        return still.exists() and send_again(delivery, now, priority=priority)


def _mark(
    destination: Destination, span: Span, expected: Amount, by: str, priority: Priority, why: str
) -> None:
    detail = {
        "decision": "replay",
        "since": span.since.isoformat(),
        "until": span.until.isoformat(),
        "deliveries": expected.deliveries,
        "priority": priority.label.lower(),
    }
    record(DELIVERY_CHANGED, actor=by, subject=destination.name, purpose=why, detail=detail)
