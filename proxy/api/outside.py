"""What Django refuses before a door is reached: an unknown host name or address, a broken request, a fault of ours in
between.

A program hears it as a problem document; a person's browser gets Django's plain page.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from proxy.api.problems import MEDIA_TYPE, Problem

OURS: Final = ("/api", "/docs", "/v1", "/dicomweb")
BAD: Final = "The request cannot be read, or is for a host name that ALLOWED_HOSTS does not let in."
NOWHERE: Final = "There is nothing here."
FAULT: Final = "Something failed here, by no fault of yours; our operator finds it in the log."


def is_programs(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in OURS)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not is_programs(request.path):
        return defaults.bad_request(request, exception)
    return _said(Problem(400, "malformed", BAD))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not is_programs(request.path):
        return defaults.page_not_found(request, exception)
    return _said(Problem(404, "not-found", NOWHERE))


def server_error(request: HttpRequest) -> HttpResponse:
    if not is_programs(request.path):
        return defaults.server_error(request)
    return _said(Problem(500, "our-fault", FAULT))


def _said(problem: Problem) -> HttpResponse:
    headers = {"Cache-Control": "no-store", **problem.all_headers()}
    return JsonResponse(problem.document(), status=problem.status, content_type=MEDIA_TYPE, headers=headers)
