"""A destination lost what it had: the page on which a person sends it once more, after a look at how much that is."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from proxy.deliveries.models import Priority
from proxy.deliveries.replay import Amount, Span, WrongSpan, outlook, replay
from proxy.routing.breaker import zone
from proxy.routing.models import Destination
from proxy.routing.standing import standstill_of
from proxy.storage.keys import KeysMissing
from proxy.web.admin.base import Admin, by


class ReplayForm(forms.Form):
    since = forms.DateTimeField(help_text="Such as 2026-01-15 18:00.")
    until = forms.DateTimeField(required=False, help_text="Up to before then; empty: until now.")
    priority = forms.TypedChoiceField(
        choices=Priority.choices,
        coerce=lambda value: Priority(int(value)),
        initial=Priority.BULK,
        help_text="Bulk goes after whatever is new.",
    )
    comment = forms.CharField(
        required=False, max_length=255, help_text="Why, for the audit. Never a patient's name or number."
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                cleaned["span"] = Span.of(cleaned["since"], cleaned["until"], timezone.now())
            except WrongSpan as wrong:
                raise forms.ValidationError(str(wrong)) from None
        return cleaned


def may_replay(request: HttpRequest) -> bool:
    return request.user.has_perm("deliveries.change_delivery")


def replay_page(view: Admin, request: HttpRequest, destination: Destination) -> HttpResponse:
    """GET: the form. POST: what would go; and with `send`, it goes. Times are those of the site."""
    if not may_replay(request) or not view.has_view_permission(request, destination):
        raise PermissionDenied
    with timezone.override(zone()):
        form = ReplayForm(request.POST if request.method == "POST" else None, initial=_yesterday())
        amount = (
            outlook(destination, form.cleaned_data["span"]) if form.is_bound and form.is_valid() else None
        )
        if amount is not None and "send" in request.POST and _sent(view, request, destination, form):
            return redirect("admin:deliveries_delivery_changelist")
        return _shown(view, request, destination, form, amount).render()


def _yesterday() -> dict[str, datetime]:
    return {"since": timezone.now().replace(second=0, microsecond=0) - timedelta(days=1)}


def _sent(view: Admin, request: HttpRequest, destination: Destination, form: ReplayForm) -> bool:
    said = form.cleaned_data
    try:
        amount = replay(
            destination, said["span"], by(request), timezone.now(), said["priority"], said["comment"]
        )
    except KeysMissing as missing:  # without a mark no decision
        view.message_user(request, str(missing), messages.WARNING)
        return False
    view.message_user(request, f"{told(amount)} to {destination} once more.", messages.SUCCESS)
    return True


def _shown(
    view: Admin, request: HttpRequest, destination: Destination, form: ReplayForm, amount: Amount | None
) -> TemplateResponse:
    context = {
        **view.admin_site.each_context(request),
        "title": f"Replay {destination}",
        "destination": destination,
        "form": form,
        "amount": amount,
        "told": told(amount) if amount else "",
        "zone": str(zone()),
        "still": standstill_of(destination, timezone.now()),
    }
    return TemplateResponse(request, "admin/replay.html", context)


def told(amount: Amount) -> str:
    one = amount.deliveries == 1
    images = "1 image" if amount.images == 1 else f"{amount.images} images"
    return f"{amount.deliveries} {'delivery' if one else 'deliveries'} ({images}) {'goes' if one else 'go'}"
