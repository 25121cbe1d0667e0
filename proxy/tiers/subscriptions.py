"""What a subscription at Stripe gives, and for how long.

A payment that fails does not end it: Stripe tries again for days, and says when it gives up. In case it never says so,
the tier ends by itself after GRACE.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from proxy.routing.audited import tell
from proxy.tiers import keys, owners
from proxy.tiers.models import Customer, Subscription
from proxy.tiers.table import most

INCOMPLETE, ACTIVE, TRIALING = "incomplete", "active", "trialing"
PAST_DUE, CANCELED = "past_due", "canceled"
GIVING: Final = frozenset({ACTIVE, TRIALING, PAST_DUE})
ENDED: Final = frozenset({CANCELED, "incomplete_expired"})
LAPSED: Final = "lapsed"
"""Our own word: payments failed for longer than GRACE, and Stripe did not say that it is over."""
GRACE: Final = timedelta(days=21)
LOOK_EVERY: Final = 3600.0  # seconds


def paid_tiers(customer: Customer) -> Iterator[str]:
    rows = Subscription.objects.filter(customer=customer, state__in=GIVING)
    yield from rows.values_list("tier", flat=True)


def settle(customer: Customer, by: str) -> str:
    """The tier in force: what was given or what is paid for, whichever is more. In the transaction of what changed."""
    row = Customer.objects.select_for_update().get(pk=customer.pk)
    tier = most(row.given_tier, *paid_tiers(row))
    if tier != row.tier:
        Customer.objects.filter(pk=row.pk).update(tier=tier)
        tell(by, [f"customer {row.name} is {tier} now, was {row.tier}"], keys.subject(row))
    owners.forget()
    return tier


def is_news(known: Subscription | None, state: str, said_at: datetime) -> bool:
    """Whether this was said after what we know. Stripe counts in seconds, and much happens in one: so nothing becomes
    incomplete again, and nothing follows an end."""
    if known is None:
        return True
    return known.state not in ENDED and state != INCOMPLETE and said_at >= known.said_at


def owed_since(customer: Customer) -> datetime | None:
    """Since when payments fail; None if nothing is owed."""
    rows = Subscription.objects.filter(customer=customer, state=PAST_DUE).order_by("failed_at")
    return rows.values_list("failed_at", flat=True).first()


def lapse(now: datetime) -> int:
    """End what has not been paid for too long; how many these were."""
    count = 0
    for row in _unpaid(now).select_related("customer"):
        with transaction.atomic():
            if _unpaid(now).filter(pk=row.pk).update(state=LAPSED):
                settle(row.customer, "billing")
                count += 1
    return count


def _unpaid(now: datetime) -> "QuerySet[Subscription]":
    return Subscription.objects.filter(state=PAST_DUE, failed_at__lte=now - GRACE)
