"""What a request may bring: JSON, in UTF-8, as long as its door allows and not longer."""

import json
from collections.abc import Mapping
from typing import IO, Any, Final, NoReturn

from rest_framework.parsers import BaseParser

from proxy.api.problems import Problem

LARGEST: Final = 64 << 10  # bytes, unless a door says otherwise


def too_large(most: int) -> Problem:
    return Problem(413, "too-large", f"The request's body is larger than {most} bytes.")


MALFORMED: Final = "The request's body is no JSON in UTF-8."
NO_LENGTH: Final = "Say the length of the body beforehand (Content-Length)."


class StrictJSON(BaseParser):
    """The framework's own would read a body of any length, take NaN for a number, and quote what it cannot read."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> object:
        most = getattr((parser_context or {}).get("view"), "largest_body", LARGEST)
        body = stream.read(most + 1)
        if len(body) > most:
            raise too_large(most)
        return read(body)


def read(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem(400, "malformed", MALFORMED) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError


def objection(length: str, is_chunked: bool, most: int) -> Problem | None:
    """Before anything is read. A body whose length nobody said would be taken for none."""
    if is_chunked and not length:
        return Problem(411, "no-length", NO_LENGTH)
    if length and not (length.isascii() and length.isdigit()):
        return Problem(400, "malformed", "The length of the body (Content-Length) is no number.")
    return too_large(most) if int(length[:12] or 0) > most else None
