"""The description of all doors (OpenAPI 3), under `/docs` where API_DOCS opens it.

A program gets it as JSON. A browser gets a page that draws it, of files that lie here: nothing is fetched from
elsewhere.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.doors import Door
from proxy.api.permissions import Anybody


class _Said:
    """How whoever asks shows who they are."""

    said: Mapping[str, str]

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return dict(self.said)


def _bearer(description: str) -> Mapping[str, str]:
    return {"type": "http", "scheme": "bearer", "description": description}


def _key(where: str, name: str, description: str) -> Mapping[str, str]:
    return {"type": "apiKey", "in": where, "name": name, "description": description}


class UserTokenScheme(_Said, OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.authentication.UserToken"
    name = "user"
    said = _bearer("A token of the backend's user, which the backend confirms.")


class ProxyKeyScheme(_Said, OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.authentication.ProxyKey"
    name = "backend"
    said = _key("header", "X-Proxy-Key", "Our ITH_TOKEN.")


class CustomerKeyScheme(_Said, OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.keyholders.CustomerKey"
    name = "customer"
    said = _key("header", "X-API-Key", "The key of a customer of the service (docs/service.md).")


class StaffTokenScheme(_Said, OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.v1.who.StaffToken"
    name = "staff"
    said = _bearer("A token of the command `staff_token`: it may what its user may.")


class StaffSessionScheme(_Said, OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.v1.who.StaffSession"
    name = "session"
    said = _key(
        "cookie",
        settings.SESSION_COOKIE_NAME,
        "Somebody of the staff, logged in on our pages; whoever decides shows X-CSRFToken too.",
    )


@cache
def document() -> dict[str, Any]:
    made = dict(SchemaGenerator(urlconf="proxy.api.urls").get_schema(request=None, public=True))
    return {**made, "paths": {usual(path): said for path, said in made["paths"].items()}}


def usual(path: str) -> str:
    """Both forms are known; under `/v1` the one without a slash at its end is usual."""
    return path.rstrip("/") if path.startswith("/v1/") else path


class Document(Door):
    schema = None  # it describes the others
    permission_classes = (Anybody,)

    def get(self, request: Request) -> Response:
        if not settings.API_DOCS:
            raise Http404
        return Response(document())


class Description(Document):
    """The page for whoever asks for one first, as browsers do; else the document."""

    def get(self, request: Request) -> Any:
        if settings.API_DOCS and wants_page(request.META.get("HTTP_ACCEPT", "")):
            return page(request._request)
        return super().get(request)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Whatever a browser says that it wants, is fine."""
        return super().perform_content_negotiation(request, force=True)


def wants_page(accepted: str) -> bool:
    first, *_ = re.split("[,;]", accepted, maxsplit=1)
    return first.strip().lower() in {"text/html", "application/xhtml+xml"}


def page(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "docs.html", {"document": "/docs/openapi.json"})
