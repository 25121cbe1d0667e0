"""Customers of the service: whether each can come in, and whether what they pay for is paid. Says nothing of a site
without customers, but that what is set for them fits together."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.utils import timezone

from proxy.management.doctor.findings import Finding, fail, ok, warn
from proxy.service import hooks, spool
from proxy.service.models import Hook, Job
from proxy.storage import space
from proxy.tiers import keys
from proxy.tiers.models import ApiKey, Customer, Subscription
from proxy.tiers.subscriptions import GIVING, GRACE, LAPSED, PAST_DUE

AREA: Final = "service"
FOR_TESTS: Final = ("sk_test_", "rk_test_")
STRIPES: Final = {
    "STRIPE_API_KEY": ("sk_", "rk_"),
    "STRIPE_PRICE_ID": ("price_",),
    "STRIPE_PRICE_ID_ANNUAL": ("price_",),
    "STRIPE_WEBHOOK_SECRET": ("whsec_",),
}
HERE: Final = {"localhost", "127.0.0.1", "::1", "[::1]"}


def examine_service() -> Iterator[Finding]:
    now = timezone.now()
    count = Customer.objects.filter(retired_at=None).count()
    found = [*_customers(now), *_revoked(), *_unpaid(), *_paying_twice(), *_billing(), *_hooks(), *_kept()]
    found += _way_in() if count else []
    yield from found
    if count and not found:
        yield ok(AREA, f"customers: {count}; each has a key, and nobody owes anything.")


def _customers(now: datetime) -> Iterator[Finding]:
    for row in Customer.objects.filter(retired_at=None).select_related("project").order_by("name"):
        if row.project.is_retired:
            yield fail(AREA, f"customer {row.name} is refused: their project {row.project} is retired.")
        elif not keys.accepted(row, now).exists():
            yield warn(AREA, f"customer {row.name} has no key that is accepted: `customer key {row.name}`.")


def _revoked() -> Iterator[Finding]:
    digests = [keys.digest_of(secret) for _, secret in settings.DCM_API_KEYS]
    for row in ApiKey.objects.filter(digest__in=digests, revoked_at__isnull=False).select_related("customer"):
        yield warn(AREA, f"DCM_API_KEYS names a revoked key of customer {row.customer.name}: take it out.")


def _unpaid() -> Iterator[Finding]:
    owing = Subscription.objects.filter(state__in=[PAST_DUE, LAPSED]).select_related("customer")
    for row in owing.order_by("pk"):
        if row.state == LAPSED:
            yield warn(
                AREA, f"customer {row.customer.name} has lost {row.tier}: payments failed for too long."
            )
        else:
            since = f"{row.failed_at:%Y-%m-%d}" if row.failed_at else "a while"
            ends = f"{row.tier} ends after {GRACE.days} days"
            yield warn(AREA, f"payments of customer {row.customer.name} fail since {since}; {ends}.")


def _paying_twice() -> Iterator[Finding]:
    """Whoever opens two Checkouts may pay in both: Stripe knows of no rule against it."""
    giving = Count("subscriptions", filter=Q(subscriptions__state__in=GIVING))
    for row in Customer.objects.annotate(giving=giving).filter(giving__gt=1).order_by("name"):
        yield warn(
            AREA, f"customer {row.name} pays for {row.giving} subscriptions: end all but one at Stripe."
        )


def _billing() -> Iterator[Finding]:
    """A start refuses half of it; what is mixed up it takes for what it is called."""
    for name, beginnings in STRIPES.items():
        value = getattr(settings, name)
        if value and not value.startswith(beginnings):
            yield fail(
                AREA, f"{name} does not begin with {' or '.join(beginnings)}: that is another of Stripe's."
            )
    if settings.STRIPE_API_KEY.startswith(FOR_TESTS) and not settings.DEBUG:
        yield warn(AREA, "STRIPE_API_KEY is one for tests: whoever pays, pays nothing.")


def _way_in() -> Iterator[Finding]:
    if not {*settings.ALLOWED_HOSTS} - HERE:
        yield warn(
            AREA,
            "ALLOWED_HOSTS names this machine alone, so no customer reaches us from elsewhere; add our name.",
        )
    if not settings.API_TRUSTED_PROXIES and settings.API_BIND_ADDRESS not in HERE:
        yield warn(
            AREA,
            "keys and images come in clear, unless a web server with TLS stands before us: name it in "
            "API_TRUSTED_PROXIES, and let nobody past it.",
        )


def _hooks() -> Iterator[Finding]:
    for row in Hook.objects.filter(customer__retired_at=None).select_related("customer").order_by("pk"):
        if hooks.objection(row.url):
            yield warn(
                AREA,
                f"the webhook of customer {row.customer.name} is told nothing: SERVICE_WEBHOOK_HOSTS does not name it.",
            )


def _kept() -> Iterator[Finding]:
    """Results may fill the disk up to the watermark, and images are refused below it."""
    if not Job.objects.exists():
        return
    free = space.free(spool.folder()) // spool.MEGABYTE
    taken = Job.objects.exclude(file="").aggregate(size=Sum("size"))["size"] or 0
    may_come = settings.SERVICE_KEPT_LIMIT - taken // spool.MEGABYTE
    if may_come > free - settings.DISK_WATERMARK:
        yield warn(
            AREA,
            f"results may take {may_come} MB more (SERVICE_KEPT_LIMIT), and DATA_DIR has {free} MB free; "
            "lower it, or images are refused when they have come.",
        )
