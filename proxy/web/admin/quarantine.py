"""Held images: what a gate stopped, and a person's two ways out of it."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from proxy.quarantine import decide as decisions
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.web.admin.base import ReadOnlyAdmin, by, comment_of, decide


@admin.register(HeldItem)
class HeldItemAdmin(ReadOnlyAdmin):
    list_display = (
        "held_at",
        "code",
        "reason",
        "patient",
        "study_uid",
        "project",
        "node",
        "state",
        "goes_at",
        "decided_by",
    )
    list_filter = ("state", "code", "project", "route")
    list_select_related = ("project", "node")
    search_fields = ("=uid", "=study_uid", "=patient")
    exclude = ("header_mac", "bulk_digest")
    actions = ("release", "discard", "hold_again")

    @admin.action(description="Release (through the pipeline, past this gate)", permissions=["decide"])
    def release(self, request: HttpRequest, rows: "QuerySet[HeldItem]") -> None:
        why = comment_of(request)
        decide(self, request, rows, lambda row: release(row, by(request), why), "released")

    @admin.action(description="Discard (counted as excluded)", permissions=["decide"])
    def discard(self, request: HttpRequest, rows: "QuerySet[HeldItem]") -> None:
        now, why = timezone.now(), comment_of(request)
        decide(self, request, rows, lambda row: decisions.discard(row, by(request), why, now), "discarded")

    @admin.action(description="Hold again (what was discarded and is still here)", permissions=["decide"])
    def hold_again(self, request: HttpRequest, rows: "QuerySet[HeldItem]") -> None:
        why = comment_of(request)
        decide(self, request, rows, lambda row: decisions.hold_again(row, by(request), why), "held again")


def release(item: HeldItem, who: str, why: str) -> bool | str:
    """True, or the sentence that says why not. A mark stands before anything leaves quarantine."""
    if item.state != HELD:
        return f"it was {item.state} already."
    from proxy.pipeline import release_held  # noqa: PLC0415 - brings the network along, which every command would load
    from proxy.reception.held import CannotRelease  # noqa: PLC0415

    decisions.ask_release(item, who, why)
    try:
        release_held(item.pk, who)
    except CannotRelease as refusal:
        return str(refusal)
    return True
