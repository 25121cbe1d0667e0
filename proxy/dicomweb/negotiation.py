"""In which form an answer is wanted (RFC 9110 12.5, PS3.18 8.3.3 and 8.7.5): pure, and without a word of the caller's.

`accept` of the query wins over the header, as PS3.18 8.3.3.1 wants it for callers that cannot set headers. What
cannot be read is no wish, and does not spoil the others.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

RELATED: Final = "multipart/related"
ANY: Final = "*/*"
LONGEST: Final = 8_000  # characters
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA: Final = re.compile(rf"\s*({_WORD}/{_WORD})\s*")
_PARAMETER: Final = re.compile(
    rf'\s*({_WORD})\s*=\s*("(?:[^"\\]|\\.)*"|[^;,"\s]+)\s*'
)  # slashes, too: type=a/b
_Q: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_SPACED: Final = re.compile(r"(application/dicom) (json|xml|octet-stream)\b")


@dataclass(frozen=True, slots=True)
class Media:
    """A media type or range; names of parameters and the type itself are in lower case."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    q: float = 1.0

    @property
    def inner(self) -> str:
        """`type` of a multipart/related."""
        return self.parameters.get("type", "").lower()

    @property
    def syntax(self) -> str:
        return self.parameters.get("transfer-syntax", "")


@dataclass(frozen=True, slots=True)
class Offer:
    """A form in which a door could answer; `inner` is of each part where it is a multipart/related."""

    name: str
    inner: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """`syntax`: the transfer syntax that was named with it, `*` for any; empty where none was."""

    offer: Offer
    syntax: str = ""


JSON: Final = Offer("application/dicom+json")
PLAIN_JSON: Final = Offer("application/json")
XML: Final = Offer("application/dicom+xml")


def read(text: str) -> Media | None:
    """One media type, as Content-Type has it; None where it is none."""
    found = list(_read(text))
    return found[0] if len(found) == 1 else None


def choices(header: str, query: Sequence[str], offers: Sequence[Offer]) -> tuple[Choice, ...]:
    """What is wanted of what is offered, best first; nothing: 406. `query` are the values of its `accept`."""
    said = ",".join(_unspoilt(one) for one in query) if any(query) else header
    ranges = list(_read(said if said.strip() else ANY))
    fitting = [
        (-one.q, -exact, place, Choice(offer, one.syntax))
        for place, one in enumerate(ranges)
        for offer in offers
        if (exact := fit(one, offer)) and one.q and not _is_excluded(offer, exact, ranges)
    ]
    return tuple(dict.fromkeys(choice for *_, choice in sorted(fitting, key=lambda found: found[:3])))


def fit(wanted: Media, offer: Offer) -> int:
    """How exactly it is meant; 0: not at all."""
    if not _covers(wanted.name, offer.name):
        return 0
    if wanted.inner and offer.inner and not _covers(wanted.inner, offer.inner):
        return 0
    exact = 1 + (wanted.name != ANY) + (not wanted.name.endswith("*"))
    return exact + bool(wanted.inner) + bool(wanted.syntax)


def takes_gzip(header: str) -> bool:
    """Whether Accept-Encoding lets us compress (RFC 9110 12.5.3)."""
    weights = dict(_coding(one) for one in header[:LONGEST].lower().split(","))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _coding(text: str) -> tuple[str, float]:
    name, _, weight = text.partition(";")
    return name.strip(), _weight(weight.strip().removeprefix("q=")) if weight else 1.0


def _is_excluded(offer: Offer, exact: int, ranges: Sequence[Media]) -> bool:
    """By a range with q=0 that means it at least as exactly."""
    return any(not one.q and fit(one, offer) >= exact for one in ranges)


def _covers(wanted: str, offered: str) -> bool:
    kind, _, rest = wanted.partition("/")
    return wanted in (ANY, offered) or (rest == "*" and offered.startswith(f"{kind}/"))


def _read(text: str) -> Iterator[Media]:
    if len(text) > LONGEST:
        return
    for one in _split(text, ","):
        head, *rest = _split(one, ";")
        named = _MEDIA.fullmatch(head)
        parameters = [_PARAMETER.fullmatch(each) for each in rest if each.strip()]
        if named and all(parameters):
            said = {found[1].lower(): _unquoted(found[2]) for found in parameters if found}
            yield Media(named[1].lower(), said, _weight(said.pop("q", "1")))


def _split(text: str, mark: str) -> Iterator[str]:
    """Where the mark stands outside of quotes."""
    begin, quoted, escaped = 0, False, False
    for place, one in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and one == "\\":
            escaped = True
        elif one == '"':
            quoted = not quoted
        elif one == mark and not quoted:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _weight(text: str) -> float:
    """What is no weight is none."""
    return float(text) if _Q.fullmatch(text) else 0.0


def _unspoilt(value: str) -> str:
    """A + in a query means a blank, and few callers know that."""
    return _SPACED.sub(r"\1+\2", value)
