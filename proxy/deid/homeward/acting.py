"""How one element of a result becomes the original's again; what there is to know stands in the context."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from proxy.deid.charsets import decode
from proxy.deid.context import Context, Subject
from proxy.deid.rules import Action, Rule

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token

BLANK: Final = b" \0"
UID: Final = re.compile(rb"[0-2](?:\.(?:0|[1-9][0-9]*)){2,}")
_NOBODY: Final = Subject("", 0, b"")


class Homeward(Context):
    """What is known of the originals, while one object is restored."""

    __slots__ = ("dates", "elements", "recodes", "uids")

    def __init__(self, charset: bytes, explicit: bool) -> None:
        super().__init__(_NOBODY, "", charset, explicit, {})
        self.uids: Mapping[bytes, bytes] = {}  # ours to the original's
        self.dates: Mapping[bytes, bytes] = {}  # eight digits each
        self.elements: Mapping[int, bytes] = {}  # top level elements, encoded; b"" for what goes
        self.recodes = False  # text becomes UTF-8

    def resolve(self, rule: Rule) -> Action:
        return in_place if rule.tag in self.elements else rule.nested


def _of(splice: "Splice") -> Homeward:
    context = splice.context
    if not isinstance(context, Homeward):
        raise TypeError("a result is restored with a context of its own")
    return context


def in_place(splice: "Splice", token: "Token") -> None:
    """The original's element, if there is one to put here; else nothing happens."""
    element = _of(splice).elements.get(token[0].tag) if not splice.depth else None
    if element is not None and element != splice.buf[token[1] : token[3]]:
        splice.replace(token[1], token[3], element)


def uid_back(splice: "Splice", token: "Token") -> None:
    uids, parts = _of(splice).uids, values(splice.value(token))
    if any(part in uids for part in parts):
        splice.put(token, b"\\".join(uids.get(part, part) for part in parts), "uid")


def date_back(splice: "Splice", token: "Token") -> None:
    """Only dates that stand in the images it was made from; what the outside dated itself stays."""
    dates, parts = _of(splice).dates, values(splice.value(token))
    if any(part[:8] in dates for part in parts):
        back = [dates.get(part[:8], part[:8]) + part[8:] for part in parts]
        splice.put(token, b"\\".join(back), "date")


def text_back(splice: "Splice", token: "Token") -> None:
    """A UID that was written as text or binary, as a whole value."""
    context, value = _of(splice), splice.value(token)
    parts = values(value)
    if any(part in context.uids for part in parts):
        splice.put(token, b"\\".join(context.uids.get(part, part) for part in parts), "uid")
    elif context.recodes and token[0].written != "UN" and not is_plain(value):
        splice.put(token, decode(value, context.charset).encode("utf-8"), "charset")


def values(value: bytes) -> list[bytes]:
    return [part.strip(BLANK) for part in value.split(b"\\")]


def is_plain(value: bytes) -> bool:
    """Whether it says the same in every character set."""
    return value.isascii() and b"\x1b" not in value
