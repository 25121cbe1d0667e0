"""The ledger as a page: for every destination what came, what left, and that nothing is missing (promise 4)."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from proxy.books import balance
from proxy.web.admin.base import Admin


def ledger_page(view: Admin, request: HttpRequest) -> HttpResponse:
    if not view.has_view_permission(request):
        raise PermissionDenied
    lines = balance()
    context = {
        **view.admin_site.each_context(request),
        "title": "Ledger",
        "lines": lines,
        "balanced": not any(line.difference for line in lines),
    }
    return TemplateResponse(request, "admin/ledger.html", context)
