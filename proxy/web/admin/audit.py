"""The chain of marks, to read and to verify. Nobody edits it here or anywhere."""

from typing import Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from proxy.audit import anchors
from proxy.audit.actions import EXPORTED
from proxy.audit.exporting import FORMATS, paged
from proxy.audit.models import Entry, Forwarding, Head, LastAnchor
from proxy.audit.record import record
from proxy.audit.verify import verify
from proxy.storage.keys import KeysMissing
from proxy.web.admin.base import ReadOnlyAdmin, by, comment_of

Answer = StreamingHttpResponse | None
TYPES: Final = {"csv": "text/csv", "json": "application/jsonl", "dicom": "text/plain"}
ENDINGS: Final = {"csv": "csv", "json": "jsonl", "dicom": "xml.txt"}


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = ("sequence", "at", "actor", "action", "subject", "purpose")
    list_filter = ("action", "at")
    search_fields = ("=subject", "=actor")
    date_hierarchy = "at"
    ordering = ("-sequence",)
    actions = ("csv", "json", "dicom")

    @admin.action(description="Export as CSV", permissions=["view"])
    def csv(self, request: HttpRequest, rows: "QuerySet[Entry]") -> Answer:
        return self._export(request, rows, "csv")

    @admin.action(description="Export as JSON (with all that proves it)", permissions=["view"])
    def json(self, request: HttpRequest, rows: "QuerySet[Entry]") -> Answer:
        return self._export(request, rows, "json")

    @admin.action(description="Export as DICOM audit messages", permissions=["view"])
    def dicom(self, request: HttpRequest, rows: "QuerySet[Entry]") -> Answer:
        return self._export(request, rows, "dicom")

    def _export(self, request: HttpRequest, rows: "QuerySet[Entry]", kind: str) -> Answer:
        """The mark comes first: what cannot be marked is not read."""
        try:
            record(
                EXPORTED,
                actor=by(request),
                subject="audit",
                purpose=comment_of(request),
                detail={"format": kind},
            )
        except KeysMissing as missing:
            self.message_user(request, str(missing), messages.WARNING)
            return None
        answer = StreamingHttpResponse(
            FORMATS[kind](paged(rows)), content_type=f"{TYPES[kind]}; charset=utf-8"
        )
        answer["Content-Disposition"] = f'attachment; filename="audit.{ENDINGS[kind]}"'
        answer["Cache-Control"] = "no-store"
        return answer

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.verify)
        return [path("verify/", page, name="audit_verify"), *super().get_urls()]

    def verify(self, request: HttpRequest) -> HttpResponse:
        """Reads every entry; with a million of them that takes its time, so only when asked."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "title": "Verify the audit"}
        try:
            context["report"] = verify(anchors.file())
        except KeysMissing as missing:
            context["trouble"] = str(missing)
        return TemplateResponse(request, "admin/verify.html", context)


@admin.register(Head)
class HeadAdmin(ReadOnlyAdmin):
    """How long the chain is, and its last MAC."""

    list_display = ("count", "head")
    fields = ("count", "head")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(LastAnchor)
class LastAnchorAdmin(ReadOnlyAdmin):
    """How long the chain was when each file of anchors was last written to."""

    list_display = ("file", "count", "at")
    fields = ("file", "count", "head", "at")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Forwarding)
class ForwardingAdmin(ReadOnlyAdmin):
    """Up to which entry the syslog server has all, and what keeps it from more."""

    list_display = ("name", "up_to", "sent_at", "tries", "next_try_at", "reason")
    exclude = ("token",)
    actions = ()

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return False
