"""Below our paths, but no door: a program hears so in its own language."""

from typing import Any, NoReturn

from django.http import Http404
from rest_framework.request import Request

from proxy.api.doors import Door
from proxy.api.permissions import Anybody


class Missing(Door):
    schema = None  # in no description
    permission_classes = (Anybody,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        super().initial(request, *args, **kwargs)
        raise Http404
