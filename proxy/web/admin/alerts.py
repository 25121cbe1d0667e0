"""What is wrong, and who was told."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from proxy.alerts import clearing, notices
from proxy.alerts.models import Alert, Notice
from proxy.alerts.rules import BY_NAME
from proxy.web.admin.base import ReadOnlyAdmin, by, decide


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("subject", "title", "state", "sentence", "found_at", "raised_at", "cleared_at")
    list_filter = ("state", "rule")
    readonly_fields = ("title", "what_to_do")
    ordering = ("cleared_at", "-raised_at")
    search_fields = ("subject",)
    search_help_text = "Names of destinations, gates and settings."
    actions = ("clear",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Alert]":
        """What was seen and not yet raised is no alert."""
        return super().get_queryset(request).exclude(state="seen")

    @admin.display(description="what")
    def title(self, row: Alert) -> str:
        return BY_NAME[row.rule].title if row.rule in BY_NAME else row.rule

    @admin.display(description="what to do")
    def what_to_do(self, row: Alert) -> str:
        return BY_NAME[row.rule].advice if row.rule in BY_NAME else "-"

    @admin.action(description="Clear (raised again, if it is still so)", permissions=["decide"])
    def clear(self, request: HttpRequest, rows: "QuerySet[Alert]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: clearing.clear(row, by(request), now), "cleared")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("made_at", "channel", "state", "tries", "next_try_at", "ended_at", "reason")
    list_filter = ("state", "channel")
    exclude = ("token",)
    actions = ("again",)

    @admin.action(description="Tell it again", permissions=["decide"])
    def again(self, request: HttpRequest, rows: "QuerySet[Notice]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: notices.again(row, now), "will be told again")
