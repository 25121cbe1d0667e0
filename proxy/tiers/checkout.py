"""Send a customer to Stripe's Checkout. What they pay for is theirs once Stripe has told us so, signed."""

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from proxy.tiers.models import Customer
from proxy.tiers.subscriptions import paid_tiers
from proxy.tiers.table import ANNUAL, PRO

BASES: Final[Any] = {}
"""Stripe's own addresses, unless a test says otherwise."""
PATIENCE: Final = 20  # seconds for one try
TRIES_MORE: Final = 1


@dataclass(frozen=True, slots=True)
class Session:
    """Where the customer pays."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class NotSold:
    """Nothing of this kind is sold here."""

    reason: str


@dataclass(frozen=True, slots=True)
class AlreadyHas:
    """Who has a subscription would pay for two."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """Stripe could not be asked, or would not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wish:
    """`plan` is `pro`, paid by the month, or `annual`. An address of e-mail is passed on, and not kept."""

    plan: str
    success_url: str
    cancel_url: str
    email: str = ""


def price_of(plan: str) -> str:
    return {PRO: settings.STRIPE_PRICE_ID, ANNUAL: settings.STRIPE_PRICE_ID_ANNUAL}.get(plan, "")


def begin(customer: Customer, wish: Wish) -> Session | NotSold | AlreadyHas | NotNow:
    if not settings.STRIPE_API_KEY or not price_of(wish.plan):
        return NotSold("This is not sold here; ask whoever runs this service.")
    if any(True for _ in paid_tiers(customer)):
        return AlreadyHas("You have a subscription; it is changed or ended at Stripe.")
    from stripe import StripeError  # noqa: PLC0415 - most processes need none of it

    try:
        made = _client().v1.checkout.sessions.create(params=asked(customer, wish), options={})
    except StripeError as error:
        return NotNow(
            f"Stripe did not begin a Checkout ({type(error).__name__}, status {error.http_status})."
        )
    return Session(made.id, made.url or "")


def asked(customer: Customer, wish: Wish) -> Any:
    """What Stripe is asked for. Our name of the customer comes back with every event about it."""
    ours = {"customer": customer.name, "tier": wish.plan}
    subscription: dict[str, Any] = {"metadata": ours}
    if days := trial_days(customer, wish.plan):
        subscription["trial_period_days"] = days
    who = {"customer": customer.stripe_id} if customer.stripe_id else {}
    if wish.email and not who:
        who = {"customer_email": wish.email}
    return {
        "mode": "subscription",
        "line_items": [{"price": price_of(wish.plan), "quantity": 1}],
        "success_url": wish.success_url,
        "cancel_url": wish.cancel_url,
        "client_reference_id": customer.name,
        "metadata": ours,
        "subscription_data": subscription,
        **who,
    }


def trial_days(customer: Customer, plan: str) -> int:
    """Of the monthly plan, once for each customer."""
    return settings.STRIPE_TRIAL_DAYS if plan == PRO and customer.tried_at is None else 0


def _client() -> Any:
    from stripe import RequestsClient, StripeClient  # noqa: PLC0415

    http = RequestsClient(timeout=PATIENCE)
    return StripeClient(
        settings.STRIPE_API_KEY, base_addresses=BASES, max_network_retries=TRIES_MORE, http_client=http
    )
