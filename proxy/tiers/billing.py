"""What becomes of what Stripe says: a tier is bought, changed, not paid for, or over.

Each event is acted upon once, in one transaction with the row that says so. Events come late, twice and in any order:
each says when it was true, and what is older than what we know changes nothing. An event about nobody we know, or of a
kind that does not concern us, is answered and left alone.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction

from proxy.tiers import subscriptions
from proxy.tiers.models import Customer, StripeEvent, Subscription
from proxy.tiers.signed import Said
from proxy.tiers.subscriptions import ACTIVE, CANCELED, PAST_DUE
from proxy.tiers.table import ANNUAL, PAID, PRO

log = logging.getLogger(__name__)

STRIPE: Final = "stripe"
NOBODY: Final = "It is about no customer of ours."
KEPT_FOR: Final = timedelta(days=90)
"""Stripe tries for three days, and a person can have it sent again for thirty. What comes after that changes nothing,
because the subscription knows of something newer."""
SWEEP_EVERY: Final = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Heard:
    """`is_new`: it was not heard before. `outcome` is a sentence for the operator."""

    outcome: str
    is_new: bool = True


def hear(said: Said, now: datetime) -> Heard:
    """Act on an event, once. Raises what keeps us from it: then Stripe tells it again."""
    act = ACTS.get(said.kind)
    if act is None:
        return Heard("This kind of event does not concern us.")
    with transaction.atomic():
        if not _is_first(said, now):
            return Heard("This was heard before.", is_new=False)
        outcome = act(said)
        StripeEvent.objects.filter(stripe_id=said.id).update(outcome=outcome[:255])
    log.info("stripe says %s: %s", said.kind, outcome)
    return Heard(outcome)


def _is_first(said: Said, now: datetime) -> bool:
    """Of two processes that hear it at once, the second waits for the first here."""
    row = StripeEvent(stripe_id=said.id, kind=said.kind, said_at=said.at, heard_at=now, outcome="")
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    mine = StripeEvent.objects.select_for_update().filter(stripe_id=said.id, outcome="")
    return mine.exists()


def sweep(now: datetime) -> int:
    """Forget events that nobody can send again; how many these were."""
    return StripeEvent.objects.filter(heard_at__lt=now - KEPT_FOR).delete()[0]


# --- what each kind of event means ----------------------------------------------------------------


def _checked_out(said: Said) -> str:
    """Somebody has gone through Checkout. Only what is paid for, or free for the days of trial, counts."""
    customer = _customer(said.word("client_reference_id") or said.word("metadata", "customer"))
    if customer is None:
        return NOBODY
    if said.word("mode") not in {"", "subscription"} or not said.id_of("subscription"):
        return "It is about no subscription."
    if said.word("payment_status") not in {"paid", "no_payment_required"}:
        return "It is not paid yet."
    _remember(customer, said.id_of("customer"), said.at)
    return _told(
        customer, said.id_of("subscription"), _tier_named(said.word("metadata", "tier")), ACTIVE, said
    )


def _changed(said: Said) -> str:
    """A subscription was made or is another now: other price, other state."""
    customer = _subscriber(said, said.word("id"))
    if customer is None:
        return NOBODY
    return _told(customer, said.word("id"), _tier_priced(said), said.word("status"), said)


def _ended(said: Said) -> str:
    customer = _subscriber(said, said.word("id"))
    if customer is None:
        return NOBODY
    return _told(customer, said.word("id"), _tier_priced(said), CANCELED, said)


def _unpaid(said: Said) -> str:
    """An invoice could not be collected. A first one has given nothing yet; a later one takes nothing yet."""
    known = _known(_subscription_of_invoice(said))
    if known is None:
        return NOBODY
    if known.state not in subscriptions.GIVING:
        return "It gives nothing anyway."
    return _told(known.customer, known.stripe_id, known.tier, PAST_DUE, said)


def _paid(said: Said) -> str:
    known = _known(_subscription_of_invoice(said))
    if known is None:
        return NOBODY
    if known.state not in {PAST_DUE, subscriptions.LAPSED}:
        return "Nothing was owed."
    return _told(known.customer, known.stripe_id, known.tier, ACTIVE, said)


ACTS: Final[Mapping[str, Callable[[Said], str]]] = {
    "checkout.session.completed": _checked_out,
    "checkout.session.async_payment_succeeded": _checked_out,
    "customer.subscription.created": _changed,
    "customer.subscription.updated": _changed,
    "customer.subscription.paused": _changed,
    "customer.subscription.resumed": _changed,
    "customer.subscription.deleted": _ended,
    "invoice.payment_failed": _unpaid,
    "invoice.paid": _paid,
    "invoice.payment_succeeded": _paid,
}


# --- who, and which tier --------------------------------------------------------------------------


def _customer(name: str) -> Customer | None:
    return Customer.objects.filter(name=name).first() if name and "\0" not in name else None


def _subscriber(said: Said, subscription: str) -> Customer | None:
    """By what we know of it, by the name that we gave it at Checkout, or by Stripe's id of the customer."""
    if not subscription:
        return None
    known = _known(subscription)
    if known is not None:
        return known.customer
    stripe_id = said.id_of("customer")
    by_name = _customer(said.word("metadata", "customer"))
    return by_name or (Customer.objects.filter(stripe_id=stripe_id).first() if stripe_id else None)


def _known(subscription: str) -> Subscription | None:
    rows = Subscription.objects.filter(stripe_id=subscription).select_related("customer")
    return rows.first() if subscription else None


def _subscription_of_invoice(said: Said) -> str:
    """Where Stripe writes it depends on the version of its API that the account has."""
    return said.id_of("subscription") or said.word("parent", "subscription_details", "subscription")


def _tier_priced(said: Said) -> str:
    """By the price; a price that is not ours says nothing, and then the word counts that we gave it at Checkout."""
    by_price = {settings.STRIPE_PRICE_ID: PRO, settings.STRIPE_PRICE_ID_ANNUAL: ANNUAL}
    for item in said.items():
        for name in ("price", "plan"):
            price = item.get(name)
            found = price.get("id") if isinstance(price, Mapping) else price
            if found and found in by_price:
                return by_price[found]
    return _tier_named(said.word("metadata", "tier"))


def _tier_named(tier: str) -> str:
    return tier if tier in PAID else ""


def _remember(customer: Customer, stripe_id: str, now: datetime) -> None:
    """Who they are at Stripe, so that the next Checkout is of the same customer there; and that they had a trial."""
    if stripe_id:
        Customer.objects.filter(pk=customer.pk).update(stripe_id=stripe_id[:64])
    Customer.objects.filter(pk=customer.pk, tried_at=None).update(tried_at=now)


# --- keeping --------------------------------------------------------------------------------------


def _told(customer: Customer, stripe_id: str, tier: str, state: str, said: Said) -> str:
    """Keep what was said, unless something newer was said before, and let the tier follow."""
    known = _known(stripe_id)
    customer = known.customer if known else customer
    Customer.objects.select_for_update().get(pk=customer.pk)  # one at a time
    known = _known(stripe_id)
    if not subscriptions.is_news(known, state, said.at):
        return "Something newer was said before."
    tier = tier or (known.tier if known else "")
    if not tier:
        return "Its price is none of ours: see STRIPE_PRICE_ID."
    failed_at = (known.failed_at if known else None) or said.at
    columns = {
        "customer": customer,
        "tier": tier,
        "state": state[:32],
        "said_at": said.at,
        "failed_at": failed_at if state == PAST_DUE else None,
    }
    Subscription.objects.update_or_create(stripe_id=stripe_id[:64], defaults=columns)
    in_force = subscriptions.settle(customer, STRIPE)
    return f"The subscription of {customer.name} is {state}: {in_force} is in force."
