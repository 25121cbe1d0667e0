"""Results that were made outside: where they belong, and whether they are home."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from proxy.retrieval.models import Homecoming, Result
from proxy.web.admin.base import ReadOnlyAdmin, ReadOnlyInline, by, comment_of, decide


class HomecomingInline(ReadOnlyInline):
    model = Homecoming
    fields = ("destination", "state", "tries", "next_try_at", "finished_at", "reason")


@admin.register(Result)
class ResultAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "node", "sop_class", "certainty", "patient", "study_uid", "uid")
    list_filter = ("certainty", "node", "project")
    list_select_related = ("node",)
    search_fields = ("=uid", "=study_uid", "=patient")
    exclude = ("digest",)
    inlines = (HomecomingInline,)


@admin.register(Homecoming)
class HomecomingAdmin(ReadOnlyAdmin):
    list_display = ("result", "destination", "state", "tries", "next_try_at", "finished_at", "reason")
    list_filter = ("state", "destination")
    list_select_related = ("result", "destination")
    search_fields = ("=result__uid", "=result__study_uid", "=result__patient")
    exclude = ("token",)
    actions = ("retry", "drop")

    @admin.action(description="Send now, or once more", permissions=["decide"])
    def retry(self, request: HttpRequest, rows: "QuerySet[Homecoming]") -> None:
        from proxy.retrieval.home import deciding  # noqa: PLC0415 - brings the engine along

        now = timezone.now()
        decide(self, request, rows, lambda row: deciding.retry(row, by(request), now), "will be sent now")

    @admin.action(description="Drop (give it up)", permissions=["decide"])
    def drop(self, request: HttpRequest, rows: "QuerySet[Homecoming]") -> None:
        from proxy.retrieval.home import deciding  # noqa: PLC0415

        why = comment_of(request)
        decide(self, request, rows, lambda row: deciding.drop(row, by(request), why), "dropped")
