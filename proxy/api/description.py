"""The description of all doors (OpenAPI 3), under `/docs` where API_DOCS opens it. It is JSON: any tool may draw it."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import Http404
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.doors import Door
from proxy.api.permissions import Anybody


class UserTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.authentication.UserToken"
    name = "user"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        said = "A token of the backend's user, which the backend confirms."
        return {"type": "http", "scheme": "bearer", "description": said}


class ProxyKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[misc, unused-ignore]
    target_class = "proxy.api.authentication.ProxyKey"
    name = "backend"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "X-Proxy-Key", "description": "Our ITH_TOKEN."}


@cache
def document() -> dict[str, Any]:
    return dict(SchemaGenerator(urlconf="proxy.api.urls").get_schema(request=None, public=True))


class Description(Door):
    permission_classes = (Anybody,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        if not settings.API_DOCS:
            raise Http404
        return Response(document())
