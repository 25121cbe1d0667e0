"""What a request may bring: JSON, in UTF-8, as long as its door allows and not longer."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, Final, NoReturn

from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from proxy.api.problems import Problem, Wrong

LARGEST: Final = 64 << 10  # bytes, unless a door says otherwise


def too_large(most: int) -> Problem:
    return Problem(413, "too-large", f"The request's body is larger than {most} bytes.")


MALFORMED: Final = "The request's body is no JSON in UTF-8."
UNKNOWN: Final = "The body has a field that this door does not know."
NO_LENGTH: Final = "Say the length of the body beforehand (Content-Length)."


class StrictJSON(BaseParser):
    """The framework's own would read a body of any length, take NaN for a number, take the last of two fields of one
    name, and quote what it cannot read."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        most = getattr((parser_context or {}).get("view"), "largest_body", LARGEST)
        body = stream.read(most + 1)
        if len(body) > most:
            raise too_large(most)
        return read(body)


def taken(form: type[Serializer[Any]], request: Request, *, is_all: bool = True) -> dict[str, Any]:
    """What the body says, by this form; and nothing else, if that is all that may be said: what is optional and
    misspelt would else be taken for not said. Raises ValidationError or Problem."""
    asked = form(data=request.data)
    asked.is_valid(raise_exception=True)
    if is_all and set(request.data) - set(asked.fields):
        raise Problem(400, "invalid", UNKNOWN, errors=[Wrong("", "unknown", UNKNOWN)])
    return dict(asked.validated_data)


def read(body: bytes) -> object:
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_once
        )
    except (ValueError, RecursionError):
        raise Problem(400, "malformed", MALFORMED) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields of one name, who looked first would have seen the other one (RFC 8259 4)."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError


def objection(length: str, is_chunked: bool, most: int) -> Problem | None:
    """Before anything is read. A body whose length nobody said would be taken for none."""
    if is_chunked and not length:
        return Problem(411, "no-length", NO_LENGTH)
    if length and not (length.isascii() and length.isdigit()):
        return Problem(400, "malformed", "The length of the body (Content-Length) is no number.")
    return too_large(most) if int(length[:12] or 0) > most else None
