"""Below our paths, but no door: a program hears so in its own language."""

from typing import Any, NoReturn

from django.http import Http404
from rest_framework.request import Request

from proxy.api.doors import Door
from proxy.api.permissions import Anybody


class Missing(Door):
    schema = None  # in no description
    permission_classes = (Anybody,)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Whatever form was hoped for: that there is nothing counts more."""
        return super().perform_content_negotiation(request, force=True)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        super().initial(request, *args, **kwargs)
        raise Http404
