"""The chain of marks, to read and to verify. Nobody edits it here or anywhere."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from proxy.audit.models import Entry, Head
from proxy.audit.verify import verify
from proxy.storage.keys import KeysMissing
from proxy.web.admin.base import ReadOnlyAdmin


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = ("sequence", "at", "actor", "action", "subject", "purpose")
    list_filter = ("action", "at")
    search_fields = ("=subject", "=actor")
    date_hierarchy = "at"
    ordering = ("-sequence",)

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
            context["report"] = verify()
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
