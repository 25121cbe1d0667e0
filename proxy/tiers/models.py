"""Customers of the service, their keys, what they have used, and what they pay for.

A key stands here as a digest only. Nothing of a patient is here, and of a customer no more than a name.
"""

from datetime import datetime

from django.db import models
from django.db.models import Q

from proxy.routing.models import Project, Retirable
from proxy.tiers.table import CHOICES, FREE, TIERS, Tier


class Customer(Retirable):
    """One customer, one project: whatever key is shown, the pseudonyms are the same."""

    name = models.SlugField(max_length=48, unique=True)
    project = models.OneToOneField(Project, on_delete=models.PROTECT, related_name="customer")
    tier = models.CharField(max_length=16, choices=CHOICES, default=FREE, help_text="In force now.")
    given_tier = models.CharField(
        max_length=16,
        choices=CHOICES,
        default=FREE,
        help_text="Given by a person; what is paid for may be more.",
    )
    made_at = models.DateTimeField()
    stripe_id = models.CharField(
        max_length=64, blank=True, default="", help_text="Stripe's id of the customer."
    )
    tried_at = models.DateTimeField(null=True, blank=True, help_text="The days of trial were used then.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(tier__in=list(TIERS)), name="customer_tier_known"),
            models.CheckConstraint(condition=Q(given_tier__in=list(TIERS)), name="customer_given_tier_known"),
        ]

    @property
    def allows(self) -> Tier:
        return TIERS[self.tier]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """What a customer shows in `X-API-Key`. The key itself was shown once and stands nowhere."""

    SETTINGS, MADE = "settings", "made"
    SOURCES = ((SETTINGS, "DCM_API_KEYS"), (MADE, "made here"))

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="keys")
    prefix = models.CharField(
        max_length=16, db_index=True, help_text="How it begins: it is looked up by that."
    )
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256.")
    label = models.CharField(max_length=64, blank=True, default="", help_text="What it is for.")
    source = models.CharField(max_length=8, choices=SOURCES, default=MADE)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=255)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Not accepted from then on.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_on = models.DateField(null=True, blank=True, help_text="Last, as a day of UTC.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(source__in=["settings", "made"]), name="api_key_source_known")
        ]

    def is_accepted(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def __str__(self) -> str:
        return f"{self.prefix}…"


class Usage(models.Model):
    """What one customer has used in one month; the minute that runs beside it, because both are counted at once."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="usage")
    month = models.CharField(max_length=7, help_text="Of UTC, such as 2026-11.")
    files = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    requests = models.PositiveBigIntegerField(default=0)
    minute = models.PositiveBigIntegerField(default=0, help_text="The last one, counted since 1970.")
    minute_requests = models.PositiveIntegerField(default=0, help_text="In that minute.")

    class Meta:
        verbose_name_plural = "usage"
        constraints = [
            models.UniqueConstraint(fields=["customer", "month"], name="one_usage_for_a_month"),
        ]

    def __str__(self) -> str:
        return f"{self.customer} in {self.month}"


class Subscription(models.Model):
    """What Stripe said last about one subscription. What it said earlier, and comes late, changes nothing."""

    stripe_id = models.CharField(max_length=64, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    tier = models.CharField(max_length=16, choices=CHOICES)
    state = models.CharField(max_length=32, help_text="In Stripe's words: active, trialing, past_due ...")
    said_at = models.DateTimeField(help_text="When Stripe said so.")
    failed_at = models.DateTimeField(null=True, blank=True, help_text="A payment fails since then.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(tier__in=["pro", "annual"]), name="subscription_tier_is_paid"),
        ]

    def __str__(self) -> str:
        return self.stripe_id


class StripeEvent(models.Model):
    """One that was heard and acted upon: a second time it changes nothing."""

    stripe_id = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=64)
    said_at = models.DateTimeField()
    heard_at = models.DateTimeField(db_index=True)
    outcome = models.CharField(max_length=255)

    def __str__(self) -> str:
        return self.stripe_id
