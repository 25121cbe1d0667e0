"""From the keys of a query to what it means, or to why it means nothing (PS3.4 C.2.2.2, C.4.1.2, C.4.1.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.deid.charsets import decode
from proxy.network.finding import IDENTIFIER_MISMATCH, Query, Refused
from proxy.network.identifier import Key
from proxy.retrieval.query import matching
from proxy.retrieval.query.attributes import (
    BY_TAG,
    CHARACTER_SET,
    IGNORED,
    LEVEL,
    MODELS,
    SAID,
    UNIQUE_KEYS,
    Attribute,
    is_above,
    levels_to,
)
from proxy.retrieval.query.matching import (
    AnyOf,
    Between,
    Days,
    Exactly,
    Hours,
    Like,
    Matcher,
    Moments,
    Names,
    Numbers,
)

MOST_UIDS: Final = 10_000
MOST_VALUES: Final = 100
LONGEST_VALUE: Final = 1_024
"""Characters: more than any value of the index has."""
NO_LEVEL = Refused(IDENTIFIER_MISMATCH, "Query/Retrieve Level is not one of the model")
JOINT: Final = (("StudyDate", "StudyTime"), ("SeriesDate", "SeriesTime"))


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """A query that makes sense.

    `matchers` by keyword, without those that match whatever there is; `joint` those of date and time as one. `wanted`
    are the attributes to answer; `said` what is answered besides, by tag; `less` that something is not supported.
    """

    model: str
    level: str
    matchers: Mapping[str, Matcher]
    joint: tuple[tuple[str, str, Moments], ...]
    wanted: tuple[Attribute, ...]
    said: frozenset[int]
    less: bool


class Senseless(Exception):
    """The asker's fault: a key has a value that it cannot have. The text names the key."""


@dataclass(slots=True)
class _Reading:
    query: Query
    level: str
    charset: bytes
    matchers: dict[str, Matcher] = field(default_factory=dict)
    wanted: dict[str, Attribute] = field(default_factory=dict)
    said: set[int] = field(default_factory=set)
    less: bool = False


def check(query: Query) -> Checked | Refused:
    level = _text(query.keys.get(LEVEL), b"")
    if level not in MODELS[query.sop_class]:
        return NO_LEVEL
    reading = _Reading(query, level, _bytes(query.keys.get(CHARACTER_SET)))
    reading.wanted[UNIQUE_KEYS[level].keyword] = UNIQUE_KEYS[level]
    try:
        _read_keys(reading)
        _mind_the_hierarchy(reading)
        joint = _joint(reading) if query.extended.combined else ()
    except Senseless as senseless:
        return Refused(IDENTIFIER_MISMATCH, str(senseless))
    return Checked(
        query.sop_class,
        level,
        reading.matchers,
        joint,
        tuple(reading.wanted.values()),
        frozenset(reading.said),
        reading.less,
    )


def _read_keys(reading: _Reading) -> None:
    for tag, key in reading.query.keys.items():
        attribute = BY_TAG.get(tag)
        if tag in SAID:
            reading.said.add(tag)
            reading.less |= bool(key.value.strip(b" \0"))
        elif attribute is not None and not is_above(reading.level, attribute.level):
            _read_key(reading, attribute, key)
        elif tag not in IGNORED:
            reading.less = True


def _read_key(reading: _Reading, attribute: Attribute, key: Key) -> None:
    if key.is_sequence:
        raise Senseless(f"{attribute.keyword} is no sequence")
    reading.wanted[attribute.keyword] = attribute
    values = _values(attribute, key, reading.charset)
    if not values:
        return
    if attribute.matches:
        reading.matchers[attribute.keyword] = _matcher(attribute, values)
    else:
        reading.less = True


def _values(attribute: Attribute, key: Key, charset: bytes) -> tuple[str, ...]:
    """None of them for universal matching: an empty key, and one that is a star."""
    most = MOST_UIDS if attribute.vr == "UI" else MOST_VALUES
    raw = key.value
    if len(raw) > (most * 65 if attribute.vr == "UI" else most * LONGEST_VALUE):
        raise Senseless(f"{attribute.keyword} has too long a value")
    text = decode(raw, charset).replace("\0", "")  # as the index has it
    values = dict.fromkeys(one.strip() for one in text.split("\\"))
    given = tuple(one for one in values if one)
    if len(given) > most or any(len(one) > LONGEST_VALUE for one in given):
        raise Senseless(f"{attribute.keyword} has too long a value, or too many")
    return () if any(not one.strip("*") for one in given) else given


# --- hierarchy ----------------------------------------------------------------------------------------


def _mind_the_hierarchy(reading: _Reading) -> None:
    """Each level above is fixed by one value of its unique key, unless relational queries were agreed on."""
    if reading.query.extended.relational:
        return
    for level in levels_to(reading.query.sop_class, reading.level):
        key = UNIQUE_KEYS[level].keyword
        matcher = reading.matchers.get(key)
        if not isinstance(matcher, Exactly) or len(matcher.values) != 1:
            raise Senseless(f"{key} must have one value at this level")


# --- one key ------------------------------------------------------------------------------------------


def _matcher(attribute: Attribute, values: tuple[str, ...]) -> Matcher:
    matcher = _BY_VR.get(attribute.vr, _of_text)(attribute.keyword, values)
    return AnyOf(matcher) if attribute.is_computed else matcher


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


# --- date and time as one -----------------------------------------------------------------------------


def _joint(reading: _Reading) -> tuple[tuple[str, str, Moments], ...]:
    """Takes the two out of those that are matched alone."""
    found = []
    for date, time in JOINT:
        days, hours = reading.matchers.get(date), reading.matchers.get(time)
        if isinstance(days, Days) and isinstance(hours, Hours) and _is_one_range(days, hours):
            found.append((date, time, Moments(_together(days.ranges[0], hours.ranges[0]))))
            del reading.matchers[date], reading.matchers[time]
    return tuple(found)


def _is_one_range(days: Days, hours: Hours) -> bool:
    single = len(days.ranges) == len(hours.ranges) == 1
    return single and hours.ranges[0].first != hours.ranges[0].last


def _together(days: Between, hours: Between) -> Between:
    first = days.first + (hours.first or "000000000000") if days.first else ""
    last = days.last + (hours.last or "235959999999") if days.last else ""
    return Between(first, last)


# --- plain values -------------------------------------------------------------------------------------


def _bytes(key: Key | None) -> bytes:
    return b"" if key is None else key.value[:256].strip(b" \0")


def _text(key: Key | None, charset: bytes) -> str:
    return decode(_bytes(key), charset).strip()
