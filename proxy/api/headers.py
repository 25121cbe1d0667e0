"""What every answer says to browsers, pages, files and refusals alike; and whether it went over TLS.

No page of another site may frame, read or script ours. Nothing here ever says Access-Control-Allow-...: which other
sites may ask in a browser's name is no question, because none may.
"""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from proxy.callers import is_among

Answering = Callable[[HttpRequest], HttpResponseBase]

PAGE: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'"
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS: Final = "max-age=31536000"
"""A year, for this name alone: what else the site serves under its domain is not ours to decide."""


class Headers:
    """The outermost: whoever answers, these are said."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if said_by_trusted(request):
            request.META["wsgi.url_scheme"] = "https"
        answer = self.answering(request)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        answer.headers.setdefault("Content-Security-Policy", PAGE if is_page else NO_PAGE)
        for name, value in ALWAYS.items():
            answer.headers.setdefault(name, value)
        if request.is_secure():
            _over_tls(answer)
        return answer


def said_by_trusted(request: HttpRequest) -> bool:
    """A web server that the site has named says that its caller came over https."""
    said = request.META.get("HTTP_X_FORWARDED_PROTO", "").strip().lower()
    return said == "https" and is_among(request.META.get("REMOTE_ADDR", ""), settings.API_TRUSTED_PROXIES)


def _over_tls(answer: HttpResponseBase) -> None:
    """A browser that has come over TLS keeps to it, and shows our cookies nowhere else."""
    answer.headers.setdefault("Strict-Transport-Security", HSTS)
    for cookie in answer.cookies.values():
        cookie["secure"] = True
