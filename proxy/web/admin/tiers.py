"""Customers of the service: added and given a tier here, their keys shown by how they begin, and revoked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from proxy.tiers import customers, keys, quota
from proxy.tiers.models import ApiKey, Customer, StripeEvent, Subscription, Usage
from proxy.web.admin.base import ReadOnlyAdmin, by, decide


class CustomerForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Customer
        fields = ("name", "given_tier")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not customers.NAME.fullmatch(name):
            raise ValidationError(f"A customer's name has {customers.NAME_IN_WORDS}.")
        return name


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """What is changed is changed by the room itself, which leaves the marks."""

    form = CustomerForm
    list_display = ("name", "tier", "given_tier", "files", "project", "retired_at")
    list_filter = ("tier",)
    list_select_related = ("project",)
    search_fields = ("name",)
    search_help_text = "Names of customers."
    actions = ("new_key", "retire", "reinstate")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("tiers.add_customer")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("tiers.change_customer")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("tier", "project", "made_at", "retired_at", "stripe_id", "tried_at") if obj else ()
        return ("name", "given_tier", *shown)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The name is the customer's identity in the audit, and of the project."""
        return tuple(one for one in self.get_fields(request, obj) if obj and one != "given_tier")

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        now = timezone.now()
        if change:
            customers.give(Customer.objects.get(pk=obj.pk), obj.given_tier, by(request), now)
            obj.refresh_from_db()
            return
        made = customers.add(obj.name, by(request), now, tier=obj.given_tier)
        obj.pk, obj.project, obj.made_at, obj.tier = made.pk, made.project, made.made_at, made.tier

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        this_month = Usage.objects.filter(customer=OuterRef("pk"), month=quota.month_of(timezone.now()))
        rows: QuerySet[Any] = super().get_queryset(request)
        said: QuerySet[Any] = rows.annotate(used=Subquery(this_month.values("files")))
        return said

    @admin.display(description="files this month")
    def files(self, row: Any) -> str:
        used, allowed = row.used or 0, row.allows.files
        return f"{used}" if allowed is None else f"{used} of {allowed}"

    @admin.action(description="Make a key (it is shown once, here)", permissions=["decide"])
    def new_key(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        for row in rows:
            try:
                made = keys.make(row, by(request), timezone.now())
            except keys.TooManyKeys as many:
                self.message_user(request, f"{row}: {many}", messages.WARNING)
            else:
                self.message_user(request, f"{row}, shown once: {made.secret}", messages.SUCCESS)

    @admin.action(description="Retire (all keys are refused, nothing is deleted)", permissions=["decide"])
    def retire(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: customers.retire(row, by(request), now), "retired")

    @admin.action(description="Reinstate (in force again)", permissions=["decide"])
    def reinstate(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        decide(self, request, rows, lambda row: customers.reinstate(row, by(request)), "reinstated")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = (
        "prefix",
        "customer",
        "label",
        "source",
        "made_at",
        "made_by",
        "used_on",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("source",)
    list_select_related = ("customer",)
    exclude = ("digest",)
    search_fields = ("prefix", "customer__name")
    search_help_text = "How a key begins, and names of customers. Never a whole key: addresses are logged."
    actions = ("revoke",)

    @admin.action(description="Revoke (refused from now on)", permissions=["decide"])
    def revoke(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        found = rows.select_related("customer")
        decide(self, request, found, lambda row: keys.revoke(row, by(request), now), "revoked")


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    list_display = ("customer", "month", "files", "size", "requests")
    list_filter = ("month",)
    list_select_related = ("customer",)
    exclude = ("minute", "minute_requests")
    search_fields = ("customer__name",)
    search_help_text = "Names of customers."
    actions = ()


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("stripe_id", "customer", "tier", "state", "said_at", "failed_at")
    list_filter = ("state", "tier")
    list_select_related = ("customer",)
    search_fields = ("stripe_id", "customer__name")
    search_help_text = "Stripe's ids, and names of customers."
    actions = ()


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = ("heard_at", "kind", "outcome", "said_at", "stripe_id")
    list_filter = ("kind",)
    search_fields = ("stripe_id",)
    search_help_text = "Stripe's ids."
    actions = ()
