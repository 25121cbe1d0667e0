"""What every door of DICOMweb has in common: one right, one view, forms to answer in, and problems in our own words."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from proxy.api import doors
from proxy.api.doors import caller
from proxy.api.identities import refuse_in_clear
from proxy.api.problems import Problem
from proxy.dicomweb import negotiation
from proxy.dicomweb.askers import Asker, CustomerSecret, NodeSecret, asker, is_identified
from proxy.dicomweb.negotiation import Choice, Offer
from proxy.rates import Rates
from proxy.retrieval.images import Images
from proxy.retrieval.query.answering import Queries
from proxy.routing.match import FIND, RETRIEVE, STORE

requests: Final = Rates()

NO_RIGHT: Final = {
    STORE: "The site does not say that this node may store.",
    FIND: "The site does not say that this node may query, or it lacks what its view takes.",
    RETRIEVE: "The site does not say that this node may retrieve, or it lacks what its view takes.",
}
NO_FORM: Final = "We can answer in none of the forms that are asked for (Accept)."


class PerMinute(BaseThrottle):
    """DICOMWEB_REQUESTS_PER_MINUTE of one node; of a customer what their tier allows at all doors together; of an
    address that nobody knows, as at every door."""

    def __init__(self) -> None:
        self._wait = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user is None:
            self._wait = doors.requests.take(caller(request).neighbourhood, settings.API_REQUESTS_PER_MINUTE)
            return not self._wait
        one = asker(request)
        if one.customer is not None:
            self._wait = doors.requests.take(one.name, one.customer.allows.requests or 0)
        else:
            self._wait = requests.take(one.name, settings.DICOMWEB_REQUESTS_PER_MINUTE)
        return not self._wait

    def wait(self) -> float:
        return self._wait


class MayThis(BasePermission):
    """The door's `right`, by the rules of the wire; a refusal leaves the same mark."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if request.user is None:
            return False
        if not _may(asker(request), view.right):
            raise Problem(403, "no-right", NO_RIGHT[view.right])
        return True


def _may(one: Asker, right: str) -> bool:
    if one.node is not None and right == FIND:
        return Queries().admits(one.node)
    if one.node is not None and right == RETRIEVE:
        return Images().admits(one.node)
    return right in one.may


class LeftToTheDoor(BaseContentNegotiation):
    """The framework knows no multipart/related with a type: `Door.choices` negotiates."""

    def select_parser(self, request: Any, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class Door(doors.Door):
    """One that answers with data says `right` and `offers`; the best choice comes first in `choices`."""

    schema = None  # PS3.18 describes it, not OpenAPI
    authentication_classes: Any = (NodeSecret, CustomerSecret)
    permission_classes: Any = (MayThis,)
    throttle_classes: Any = (PerMinute,)
    parser_classes: Any = ()
    content_negotiation_class: Any = LeftToTheDoor
    right: str = RETRIEVE
    offers: Sequence[Offer] = (negotiation.JSON, negotiation.PLAIN_JSON)
    choices: tuple[Choice, ...] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._keep_from_listeners(request)
        said = request.META.get("HTTP_ACCEPT", "")
        self.choices = negotiation.choices(said, request.query_params.getlist("accept"), self.offers)
        if not self.choices:
            raise Problem(406, "not-acceptable", NO_FORM)

    def _keep_from_listeners(self, request: Request) -> None:
        """What is stored is the sender's to protect; what we answer is ours."""
        if self.right != STORE and is_identified(asker(request)):
            refuse_in_clear(request)


def by_method(**by: type[Door]) -> Callable[..., HttpResponseBase]:
    """One address, a door for each method: `by_method(get=Search, post=Store)`."""
    views = {method.upper(): one.as_view() for method, one in by.items()}
    known = ", ".join(sorted({*views, *({"HEAD"} if "GET" in views else ())}))

    @csrf_exempt
    def pick(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else request.method or ""
        answer: HttpResponse = views.get(method, next(iter(views.values())))(request, *args, **kwargs)
        if answer.status_code == 405:
            answer.headers["Allow"] = known
        return answer

    return pick
