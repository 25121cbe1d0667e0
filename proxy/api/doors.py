"""What every door has in common. One that says nothing about who may come in lets nobody in."""

from typing import Any, Final

from django.conf import settings
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from proxy.api import bodies
from proxy.api.permissions import Nobody
from proxy.callers import Caller, caller_of
from proxy.rates import Rates

requests: Final = Rates()


class PerMinute(BaseThrottle):
    """API_REQUESTS_PER_MINUTE of one caller: of a user if we know who it is, else of an address. A caller who has
    `requests_per_minute` has a limit of their own; 0 is none."""

    def __init__(self) -> None:
        self._wait = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        who = _account(request.user) if request.user is not None else caller(request).neighbourhood
        most = getattr(request.user, "requests_per_minute", settings.API_REQUESTS_PER_MINUTE)
        self._wait = requests.take(who, most)
        return not self._wait

    def wait(self) -> float:
        return self._wait


def _account(user: Any) -> str:
    """Whoever may come by several keys has one account."""
    return str(getattr(user, "account", user))


class Door(APIView):
    """JSON in, JSON out, bounded, never kept by a browser or a proxy. Refusals are problem documents."""

    authentication_classes: Any = ()
    permission_classes: Any = (Nobody,)
    throttle_classes: Any = (PerMinute,)
    parser_classes: Any = (bodies.StrictJSON,)
    renderer_classes: Any = (JSONRenderer,)
    http_method_names = (
        "get",
        "head",
        "post",
        "put",
        "patch",
        "delete",
    )  # `Allow` says what a door really knows
    largest_body = bodies.LARGEST  # bytes
    takes_chunks = False  # a body whose length nobody says beforehand

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        said = request.META.get
        is_chunked = "HTTP_TRANSFER_ENCODING" in request.META and not self.takes_chunks
        if trouble := bodies.objection(said("CONTENT_LENGTH") or "", is_chunked, self.most_bytes()):
            raise trouble
        super().initial(request, *args, **kwargs)

    def most_bytes(self) -> int:
        """Of a body; for doors where a setting says it."""
        return self.largest_body

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


def caller(request: Request) -> Caller:
    return caller_of(request.META, settings.API_TRUSTED_PROXIES, request.is_secure())
