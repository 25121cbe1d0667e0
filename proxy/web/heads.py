"""A head that Django cannot even make a request of ends here, as a problem document and not as a page of the server."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.utils.http import parse_header_parameters

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

BROKEN: Final = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "code": "malformed",
    "detail": "The Content-Type cannot be read.",
}


class Readable:
    """Around the application (WSGI)."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if is_readable(environ.get("CONTENT_TYPE", "")):
            return self.application(environ, start_response)
        said = json.dumps(BROKEN).encode()
        headers = {
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(said)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        start_response("400 Bad Request", list(headers.items()))
        return [said]


def is_readable(content_type: str) -> bool:
    """A parameter may name an encoding that nobody knows (RFC 2231)."""
    try:
        parse_header_parameters(content_type)
    except (LookupError, ValueError):
        return False
    return True
