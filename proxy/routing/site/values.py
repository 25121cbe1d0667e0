"""What a single value of the site file may be. A check takes the text that stands there and gives the value.

A refusal is `WrongValueError`, a sentence that says what is wanted. The admin's forms ask the same functions.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import SplitResult, urlsplit

from proxy.routing import windows
from proxy.routing.site.places import BELOW_DATA, is_ours
from proxy.storage.templates import TemplateError, parse

Check = Callable[[str], Any]

OTHER_HEADERS = {"host", "accept", "accept-encoding", "connection", "content-length", "content-type", "cookie",
                 "expect", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}  # fmt: skip


class WrongValueError(Exception):
    """This value cannot be meant; the message is a sentence for the operator."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word.lower(), [one.lower() for one in known], n=1, cutoff=0.6)
    found = [one for one in known if one.lower() in near]
    return f"; did you mean {found[0]}?" if found else f"; known: {', '.join(known)}." if known else "."


def line_of_text(limit: int, *, empty: bool = False) -> Check:
    def check(text: str) -> str:
        if not text.strip() and not empty:
            raise WrongValueError("this may not be empty.")
        if len(text) > limit:
            raise WrongValueError(f"at most {limit} characters.")
        if not text.isprintable() or text != text.strip():
            raise WrongValueError("printable characters only, and no spaces at either end.")
        return text

    return check


def description(text: str) -> str:
    """Of a series, with `*` for any characters and `?` for one. All of them are no description of any."""
    if not text.strip("*? "):
        raise WrongValueError("this would fit every series; say what its description is.")
    return str(line_of_text(64)(text))


def ascii_line(limit: int) -> Check:
    def check(text: str) -> str:
        if not text.isascii():
            raise WrongValueError("plain characters only: this stands in a header.")
        return str(line_of_text(limit)(text))

    return check


name = line_of_text(64)


def slug(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise WrongValueError("1 to 64 letters, digits, hyphens or underscores.")
    return text


def ae_title(text: str) -> str:
    """PS3.5 6.2: 16 characters at most, no backslash, no control characters, not only spaces."""
    plain = text.strip(" ")
    if not 1 <= len(plain) <= 16 or not plain.isascii() or not plain.isprintable() or "\\" in plain:
        raise WrongValueError("an AE title has 1 to 16 printable ASCII characters and no backslash.")
    return plain


def ae_title_or_any(text: str) -> str:
    return ae_title(text) if text.strip(" ") else ""


def number(least: int, most: int) -> Check:
    def check(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise WrongValueError(f"give a whole number from {least} to {most}.")
        return int(text)

    return check


port = number(1, 65535)


def host(text: str) -> str:
    """A host name or an address: something a socket may be opened to, not a URL."""
    if is_address(text):
        return text
    if len(text) > 253 or not re.fullmatch(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", text):
        raise WrongValueError("give a host name or an IP address, without http:// and without a port.")
    return text


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise WrongValueError(_network_advice(text)) from None


def _network_advice(text: str) -> str:
    try:
        wider = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "give a network such as 10.1.0.0/16, or one address such as 10.1.2.3/32."
    return f"this address is not where a network begins; did you mean {wider}?"


def issuer(text: str) -> str:
    """Issuer of Patient ID is an LO: 64 characters, no backslash."""
    if "\\" in text:
        raise WrongValueError("an issuer has no backslash.")
    return str(line_of_text(64, empty=True)(text))


def web_address(text: str) -> str:
    """An http or https address without anything secret in it: what stands here is shown, logged and exported."""
    parts = _split(str(line_of_text(1024)(text)))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isascii():
        raise WrongValueError("give an address that begins with https:// (or http://).")
    if parts.username or parts.password:
        raise WrongValueError("no user and no password in an address: say auth, user and secret.")
    if parts.query or parts.fragment:
        raise WrongValueError("an address without ? and #.")
    return text.rstrip("/")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        raise WrongValueError("this is no address.") from None
    return parts


def secret_name(text: str) -> str:
    """The name of a variable, never the secret itself. With a prefix, so that nobody can have a destination sent
    what was set for something else."""
    if not re.fullmatch(r"DESTINATION_[A-Z0-9_]{1,64}", text):
        raise WrongValueError(
            "name the variable that holds the secret (or, with _FILE behind it, its file's path): capitals,"
            " beginning with DESTINATION_."
        )
    return text


def header_name(text: str) -> str:
    """RFC 9110 5.1, and none that says something else already."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text):
        raise WrongValueError("a header's name has letters, digits and hyphens.")
    if text.lower() in OTHER_HEADERS:
        raise WrongValueError(f"{text} is a header that says something else.")
    return text


def window(text: str) -> str:
    """Hours of the day, in one way of writing them."""
    try:
        windows.read(text)
    except windows.WrongWindow as wrong:
        raise WrongValueError(str(wrong)) from None
    return " ".join(text.title().split())


def boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise WrongValueError("say true or false.")
    return words[text.lower()]


def tls(text: str) -> str:
    """As a boolean, or any-name; YAML's own `on` and `off` are written back as text."""
    if text == "any-name":
        return text
    try:
        return "on" if boolean(text) else "off"
    except WrongValueError:
        raise WrongValueError("say true, false or any-name.") from None


def one_of(*allowed: str) -> Check:
    def check(text: str) -> str:
        if text not in allowed:
            raise WrongValueError(f"choose one of {', '.join(allowed)}.")
        return text

    return check


def day(text: str) -> str:
    """A day of the calendar, as 2030-01-31."""
    try:
        return date.fromisoformat(text).isoformat() if len(text) == 10 else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> str:
    raise WrongValueError("give a day as 2030-01-31.")


def template(text: str) -> str:
    """Names of files below a folder; what it is for is compared later."""
    try:
        parse(str(line_of_text(255)(text)))
    except TemplateError as wrong:
        raise WrongValueError(str(wrong)) from None
    return text


def folder(text: str) -> str:
    """Where a folder destination writes; relative to DATA_DIR, and in no folder of our own."""
    path = PurePosixPath(line_of_text(1024)(text))
    if ".." in path.parts or not path.parts:
        raise WrongValueError("name a folder, without '..'.")
    if not path.is_absolute() and path.parts[0].lower() in BELOW_DATA:
        raise WrongValueError(f"{path.parts[0]} is a folder of Postern itself; choose another.")
    if is_ours(str(path)):
        raise WrongValueError("this is a folder of Postern itself, or lies in one; choose another.")
    return str(path)
