"""`/legal/...`: the agreement is anybody's to read and print, the records are for staff."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from proxy.web.legal import records

SEES = "routing.view_project"


@require_safe
def dpa(request: HttpRequest) -> HttpResponse:
    """A template of our own; it says nothing of this site."""
    return TemplateResponse(request, "legal/dpa.html", {"is_print": False})


@require_safe
def dpa_print(request: HttpRequest) -> HttpResponse:
    """The same text on white paper, with lines to sign on."""
    return TemplateResponse(request, "legal/dpa.html", {"is_print": True})


@require_safe
def record_page(request: HttpRequest) -> HttpResponse:
    """Made of what is in force now; never kept by a browser, because it says how the site is set up."""
    if not (request.user.is_active and request.user.is_staff):
        return redirect(f"{reverse('admin:login')}?next={request.path}")
    if not request.user.has_perm(SEES):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Records of processing (GDPR Art. 30)",
        "record": records.look(timezone.now()),
    }
    answer = TemplateResponse(request, "legal/records.html", context)
    patch_cache_control(answer, no_store=True, private=True)
    return answer
