"""Every refusal is a problem document (RFC 9457), in sentences of our own.

What the framework, Django or a library would say may quote what was sent: a header, a field, a row. So of a foreign
exception only its kind decides here, and none of its words goes out. `code` is for programs, `detail` for people.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A field of ours that cannot be taken as it came. Its value is never quoted."""

    field: str
    code: str
    why: str


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """Ends a request. `after`: seconds until it is worth asking again."""

    status: int
    code: str
    detail: str
    after: float | None = None
    errors: Sequence[Wrong] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.detail

    def document(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            said["errors"] = [{"field": one.field, "code": one.code, "why": one.why} for one in self.errors]
        return said

    def all_headers(self) -> dict[str, str]:
        waiting = {} if self.after is None else {"Retry-After": str(max(1, math.ceil(self.after)))}
        return {**self.headers, **waiting}


def as_problem(error: Exception, context: Mapping[str, Any]) -> Response:
    """Django REST framework's EXCEPTION_HANDLER."""
    problem = of(error)
    if problem.status >= 500:
        where = None if error is problem else error  # a refusal of ours needs no traceback
        log.error("a request ended with status %s (%s)", problem.status, problem.code, exc_info=where)
    answer = Response(problem.document(), status=problem.status, content_type=MEDIA_TYPE)
    for name, value in problem.all_headers().items():
        answer[name] = value
    return answer


def of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    for kind, made in KINDS:
        if isinstance(error, kind):
            return made(error)
    return _OURS()


# --- what each kind of exception says -----------------------------------------------------------------

Kinds = type[BaseException] | tuple[type[BaseException], ...]


def _is(status: int, code: str, detail: str, after: float | None = None) -> "Callable[..., Problem]":
    return lambda *_: Problem(status, code, detail, after)


_OURS: Final = _is(
    500, "our-fault", "Something failed here, by no fault of yours; our operator finds it in the log."
)


def _wants_login(error: Any) -> Problem:
    scheme = getattr(error, "auth_header", None) or "Bearer"
    return Problem(
        401,
        "not-authenticated",
        "Say who you are; see docs/api.md for how.",
        headers={"WWW-Authenticate": scheme},
    )


def _throttled(error: Any) -> Problem:
    return Problem(
        429, "too-many-requests", "These are too many requests; wait and ask again.", error.wait or 60.0
    )


def _invalid(error: Any) -> Problem:
    """One reason for each field is enough."""
    first = {one.field: one for one in reversed(list(wrongs(error.get_full_details())))}
    wrong = tuple(reversed(first.values()))
    return Problem(
        400, "invalid", "Some of what was sent cannot be taken as it is; see errors.", errors=wrong
    )


KINDS: Final[Sequence[tuple[Kinds, Callable[..., Problem]]]] = (
    (exceptions.ValidationError, _invalid),
    (exceptions.ParseError, _is(400, "malformed", "The request cannot be read.")),
    (UnreadablePostError, _is(400, "malformed", "The body broke off before its end, or came too slowly.")),
    ((exceptions.NotAuthenticated, exceptions.AuthenticationFailed), _wants_login),
    (
        (exceptions.PermissionDenied, PermissionDenied),
        _is(403, "not-allowed", "You may not do this."),
    ),
    ((exceptions.NotFound, Http404), _is(404, "not-found", "There is nothing here.")),
    (exceptions.MethodNotAllowed, _is(405, "wrong-method", "This door does not know this method.")),
    (exceptions.NotAcceptable, _is(406, "not-acceptable", "We answer in application/json only.")),
    (RequestDataTooBig, _is(413, "too-large", "The request is too large.")),
    (
        exceptions.UnsupportedMediaType,
        _is(415, "wrong-type", "Send application/json."),
    ),
    (exceptions.Throttled, _throttled),
    (SuspiciousOperation, _is(400, "malformed", "The request cannot be read.")),
    (
        (KeysMissing, SealBroken),
        _is(
            503,
            "keys-missing",
            "What is asked for cannot be opened here; our operator finds the reason in the log.",
        ),
    ),
    (DatabaseError, _is(503, "database", "Our database does not answer; ask again in a while.", 5.0)),
)

# --- fields ---------------------------------------------------------------------------------------

SENTENCES: Final = {
    "required": "This is missing.",
    "null": "This must not be null.",
    "blank": "This must not be empty.",
    "empty": "This list must not be empty.",
    "max_length": "This is too long.",
    "min_length": "This is too short.",
    "not_a_list": "This must be a list.",
    "not_a_dict": "This must be an object.",
}


def wrongs(details: Any, path: str = "") -> Iterator[Wrong]:
    """Of the framework's nested details: field names of ours and codes, none of its words."""
    if isinstance(details, Mapping) and "code" in details and "message" in details:
        code = str(details["code"])
        yield Wrong(path, code, SENTENCES.get(code, "This cannot be meant."))
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            yield from wrongs(
                inner, f"{path}.{name}" if path and name != "non_field_errors" else path or str(name)
            )
    elif isinstance(details, list):
        for inner in details:
            yield from wrongs(inner, path)
