"""One key of a query: from its bytes to its values, and to the way in which they match (PS3.4 C.2.2.2)."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from proxy.deid.charsets import decode
from proxy.network.identifier import Key
from proxy.retrieval.query import matching
from proxy.retrieval.query.matching import Between, Days, Exactly, Hours, Like, Matcher, Names, Numbers

MOST_UIDS: Final = 10_000
MOST_VALUES: Final = 100
LONGEST_VALUE: Final = 1_024
"""Characters: more than any value of the index has."""


class Senseless(Exception):
    """The asker's fault: a key has a value that it cannot have. The text names the key."""


class Named(Protocol):
    """An attribute, of the index or within an item."""

    @property
    def keyword(self) -> str: ...

    @property
    def vr(self) -> str: ...


def values_of(attribute: Named, key: Key, charset: bytes) -> tuple[str, ...]:
    """None of them for universal matching: an empty key, and one that is a star."""
    if key.is_sequence:
        raise Senseless(f"{attribute.keyword} is no sequence")
    most = MOST_UIDS if attribute.vr == "UI" else MOST_VALUES
    raw = key.value
    if len(raw) > (most * 65 if attribute.vr == "UI" else most * LONGEST_VALUE):
        raise Senseless(f"{attribute.keyword} has too long a value")
    text = _text(attribute, key, charset)
    values = dict.fromkeys(one.strip() for one in text.split("\\"))
    given = tuple(one for one in values if one)
    if len(given) > most or any(len(one) > LONGEST_VALUE for one in given):
        raise Senseless(f"{attribute.keyword} has too long a value, or too many")
    return () if any(not one.strip("*") for one in given) else given


def _text(attribute: Named, key: Key, charset: bytes) -> str:
    """As the index has it."""
    if attribute.vr != "US" or key.vr not in ("US", "UN", ""):
        return decode(key.value, charset).replace("\0", "")
    if len(key.value) % 2:
        raise Senseless(f"{attribute.keyword} has a value that is no number")
    pairs = zip(key.value[::2], key.value[1::2], strict=True)
    return "\\".join(str(low | high << 8) for low, high in pairs)


def matcher_of(attribute: Named, values: tuple[str, ...]) -> Matcher:
    return _BY_VR.get(attribute.vr, _of_text)(attribute.keyword, values)


def _of_text(keyword: str, values: tuple[str, ...]) -> Matcher:
    return Like(values) if any(map(matching.is_wild, values)) else Exactly(frozenset(values))


def _of_uids(keyword: str, values: tuple[str, ...]) -> Matcher:
    return Exactly(frozenset(values))


def _of_names(keyword: str, values: tuple[str, ...]) -> Matcher:
    return Names(values)


def _of_numbers(keyword: str, values: tuple[str, ...]) -> Matcher:
    numbers = frozenset(matching.whole(one) for one in values)
    if None in numbers:
        raise Senseless(f"{keyword} has a value that is no number")
    return Numbers(frozenset(one for one in numbers if one is not None))


def _of_days(keyword: str, values: tuple[str, ...]) -> Matcher:
    return Days(tuple(_range(keyword, one, matching.day, matching.day) for one in values))


def _of_hours(keyword: str, values: tuple[str, ...]) -> Matcher:
    return Hours(tuple(_range(keyword, one, matching.hour, _latest) for one in values))


_BY_VR: Final[Mapping[str, Callable[[str, tuple[str, ...]], Matcher]]] = {
    "UI": _of_uids,
    "PN": _of_names,
    "IS": _of_numbers,
    "US": _of_numbers,
    "DA": _of_days,
    "TM": _of_hours,
}


def _latest(text: str) -> str:
    """Of a range's end: the last moment that its value names."""
    return matching.hour(text, fill="005959999999")


def _range(keyword: str, text: str, first: Callable[[str], str], last: Callable[[str], str]) -> Between:
    begin, dash, end = (one.strip() for one in text.partition("-"))
    if not dash:
        begin = end = first(text)
        if begin:
            return Between(begin, end)
    else:
        made = Between(first(begin), last(end))
        sound = bool(begin or end) and bool(made.first) == bool(begin) and bool(made.last) == bool(end)
        if sound and (not made.last or made.first <= made.last):
            return made
    raise Senseless(f"{keyword} has a value that is no date, time or range")
