"""`POST /dicomweb/studies` and `POST /dicomweb/studies/{study}`."""

import json
import threading
from functools import cache, partial
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from proxy.api import seats
from proxy.api.bodies import too_large
from proxy.api.problems import Problem
from proxy.dicomweb import answers, negotiation
from proxy.dicomweb.askers import Asker, asker
from proxy.dicomweb.doors import Door
from proxy.dicomweb.negotiation import JSON, PLAIN_JSON, XML, Offer
from proxy.dicomweb.store import bodies, fates
from proxy.dicomweb.store.arriving import Arriving, Begin
from proxy.dicomweb.store.bodies import Body
from proxy.dicomweb.store.fates import RETRY_AFTER, UNREADABLE, Fate
from proxy.dicomweb.store.taking import Taking, kind_of
from proxy.pipeline import open_posts
from proxy.routing.match import STORE
from proxy.tiers import quota

MEGABYTE: Final = 1 << 20
AT_ONCE: Final = 4  # of the web process' 32 threads
PLAIN_XML: Final = Offer("application/xml")
ENCODED: Final = "The body is compressed as a whole (Content-Encoding); send it as it is."
NO_ROUTE: Final = (
    "No route goes where this token calls, or into the project of this key: nothing can be stored."
)
BUSY: Final = "As many requests as may store at once do; try again."

_seats: Final = threading.BoundedSemaphore(AT_ONCE)
_opening: Final = threading.Lock()


def posts() -> Begin:
    """One way in for the process: what comes at once is committed together."""
    with _opening:
        return _opened()


@cache
def _opened() -> Begin:
    return open_posts()


class Store(Door):
    right = STORE
    offers = (JSON, PLAIN_JSON, XML, PLAIN_XML)
    takes_chunks = True

    def most_bytes(self) -> int:
        return int(settings.DICOMWEB_LARGEST_REQUEST) * MEGABYTE

    def post(self, request: Request, study: str = "") -> HttpResponseBase:
        media = kind_of(negotiation.read(request.META.get("CONTENT_TYPE", "")))
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise Problem(415, "wrong-encoding", ENCODED, headers={"Accept-Encoding": "identity"})
        if asker(request).route is None:
            raise Problem(403, "no-route", NO_ROUTE)
        if no := used_up(asker(request)):
            raise no
        body = self._body(request)
        taking = Taking(partial(Arriving, posts(), asker(request), study))
        with seats.taken(_seats, BUSY, 5.0):
            broken = taking.all(media, body.pieces())
        return self._said(request, told(taking.fates, broken))

    def _body(self, request: Request) -> Body:
        """A customer's is as large as their tier allows, at most."""
        customer, most = asker(request).customer, self.most_bytes()
        if customer is not None:
            most = min(most, customer.allows.size)
        body = Body.of(request.META, most)
        if (body.length or 0) > most:
            raise too_large(most)
        return body

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code >= 400:
            bodies.let_pass(request.META)
        return answer

    def _said(self, request: Request, found: list[Fate]) -> HttpResponseBase:
        status, form = fates.status_of(found), self.choices[0].offer
        module = fates.module_of(found)
        content = fates.as_xml(module) if form in (XML, PLAIN_XML) else json.dumps(module).encode()
        answer = HttpResponse(content, content_type=form.name, status=status)
        if status == 503:
            no = used_up(asker(request)) or Problem(503, "", "", RETRY_AFTER)
            answer.status_code = no.status
            for name, value in no.all_headers().items():
                answer.headers[name] = value
        return answers.packed(request, answer)


def used_up(one: Asker) -> Problem | None:
    """A customer's quota. What comes is counted image by image, where it is stored."""
    no = quota.has_room(one.customer, timezone.now()) if one.customer is not None else None
    if no is None:
        return None
    return Problem(429, "quota", no.reason, no.retry_after.total_seconds() if no.retry_after else None)


def told(found: list[Fate], broken: Problem | None) -> list[Fate]:
    """What the answer tells. Raises the problem of a request of which nothing was stored."""
    if broken is not None and not any(fate.is_stored for fate in found):
        raise broken
    if not found:
        raise fates.nothing()
    return [*found, UNREADABLE] if broken is not None else found
