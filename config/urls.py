from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import include, path

from proxy.web.legal import pages as legal


def home(request: HttpRequest) -> HttpResponse:
    return redirect("admin:index")


def health(request: HttpRequest) -> JsonResponse:
    """The web process lives (V20). Whether the house can work is what `doctor` asks."""
    return JsonResponse({"status": "ok"})


admin.autodiscover()  # here, so that no other process loads the pages

urlpatterns = [
    path("", home),
    path("health", health),
    path("admin/", admin.site.urls),
    path("", include("proxy.dicomweb.urls")),
    path("legal/dpa", legal.dpa, name="dpa"),
    path("legal/dpa/print", legal.dpa_print, name="dpa-print"),
    path("legal/records", legal.record_page, name="records"),
    path("", include("proxy.api.urls")),
]
handler400 = "proxy.api.outside.bad_request"
handler404 = "proxy.api.outside.not_found"
handler500 = "proxy.api.outside.server_error"
