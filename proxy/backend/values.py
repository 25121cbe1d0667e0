"""What a single JSON value of the backend may be. A refusal is `WrongValueError`, and never quotes the value."""

import re
from collections.abc import Callable
from typing import Any

from proxy.routing.site import values
from proxy.routing.site.values import WrongValueError

Check = Callable[[object], Any]

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def text(check: values.Check) -> Check:
    """A JSON string that passes a check of the site file."""

    def checked(value: object) -> Any:
        if not isinstance(value, str):
            raise WrongValueError("this must be text.")
        return check(value.strip())

    return checked


def identifier(value: object) -> str:
    """It goes into addresses: no slash, no space, nothing that means something there."""
    plain = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(plain, str) or not ID.fullmatch(plain):
        raise WrongValueError("an id has 1 to 64 letters, digits, or the signs - _ . : between them.")
    return plain


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError("this must be true or false.")
    return value


def port(value: object) -> int:
    plain = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return int(text(values.port)(plain))


def address(value: object) -> str:
    """Of a web page."""
    found = str(text(values.line_of_text(255))(value))
    if not found.startswith(("http://", "https://")):
        raise WrongValueError("give an address that begins with http:// or https://.")
    return found


line = text(values.line_of_text(64))
lines = text(values.line_of_text(1_000, empty=True))
host = text(values.host)
ae_title = text(values.ae_title)


def one_of(*allowed: str) -> Check:
    return text(values.one_of(*allowed))
