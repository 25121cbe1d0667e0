"""`GET /v1/usage`: what a customer has used in this month of UTC, and what is left of it."""

from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.answers import KNOWN, described
from proxy.api.keyholders import holder
from proxy.api.v1 import times
from proxy.api.v1.doors import CustomerDoor
from proxy.tiers import quota
from proxy.tiers.models import Customer
from proxy.tiers.subscriptions import owed_since

NO_LIMIT: Final = "null: no limit"


class UsageAnswer(serializers.Serializer[Any]):
    customer = serializers.CharField()
    tier = serializers.CharField()
    month = serializers.CharField(help_text="Of UTC, such as 2026-11.")
    renews_at = serializers.DateTimeField(help_text="When the next month begins.")
    files_used = serializers.IntegerField()
    files_allowed = serializers.IntegerField(allow_null=True, help_text=NO_LIMIT)
    files_left = serializers.IntegerField(allow_null=True, help_text=NO_LIMIT)
    bytes_used = serializers.IntegerField()
    bytes_per_request = serializers.IntegerField(help_text="That one request may bring.")
    requests_used = serializers.IntegerField()
    requests_per_minute = serializers.IntegerField(allow_null=True, help_text=NO_LIMIT)
    jobs = serializers.BooleanField(help_text="Whether this tier may ask for jobs.")
    payment_fails_since = serializers.DateTimeField(allow_null=True, help_text="null: nothing is owed.")


class Usage(CustomerDoor):
    @described(UsageAnswer, codes=KNOWN)
    def get(self, request: Request) -> Response:
        """What you have used in this month of UTC, and what is left of it."""
        return Response(said(holder(request).customer, timezone.now()))


def said(customer: Customer, now: datetime) -> dict[str, Any]:
    tier, used = customer.allows, quota.of_month(customer, now)
    return {
        "customer": customer.name,
        "tier": tier.name,
        "month": used.month,
        "renews_at": times.said(used.renews_at),
        "files_used": used.files,
        "files_allowed": tier.files,
        "files_left": None if tier.files is None else max(tier.files - used.files, 0),
        "bytes_used": used.size,
        "bytes_per_request": tier.size,
        "requests_used": used.requests,
        "requests_per_minute": tier.requests,
        "jobs": tier.jobs,
        "payment_fails_since": times.said(owed_since(customer)),
    }
