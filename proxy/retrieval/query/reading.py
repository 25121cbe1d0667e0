"""From the keys of a query to what it means, or to why it means nothing (PS3.4 C.2.2.2, C.4.1.2, C.4.1.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.deid.charsets import decode
from proxy.network.finding import IDENTIFIER_MISMATCH, Query, Refused
from proxy.network.identifier import Key
from proxy.retrieval.query.attributes import (
    BY_TAG,
    CHARACTER_SET,
    IGNORED,
    LEVEL,
    MODELS,
    SAID,
    TIMEZONE,
    UNIQUE_KEYS,
    Attribute,
    is_above,
    levels_to,
)
from proxy.retrieval.query.keys import Senseless, matcher_of, values_of
from proxy.retrieval.query.matching import AnyOf, Between, Days, Exactly, Hours, Matcher, Moments
from proxy.retrieval.query.within import Within, read_within

NO_LEVEL = Refused(IDENTIFIER_MISMATCH, "Query/Retrieve Level is not one of the model")
JOINT: Final = (
    ("StudyDate", "StudyTime"),
    ("SeriesDate", "SeriesTime"),
    ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """A query that makes sense.

    `matchers` by keyword, without those that match whatever there is; `joint` those of date and time as one. `wanted`
    are the attributes to answer; `within` what of sequences; `said` what is answered besides, by tag; `less` that
    something is not supported.
    """

    model: str
    level: str
    matchers: Mapping[str, Matcher]
    joint: tuple[tuple[str, str, Moments], ...]
    wanted: tuple[Attribute, ...]
    within: Mapping[str, Within]
    said: frozenset[int]
    less: bool


@dataclass(slots=True)
class _Reading:
    query: Query
    level: str
    charset: bytes
    matchers: dict[str, Matcher] = field(default_factory=dict)
    wanted: dict[str, Attribute] = field(default_factory=dict)
    within: dict[str, Within] = field(default_factory=dict)
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
        _say_the_timezone(reading)
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
        reading.within,
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


def _say_the_timezone(reading: _Reading) -> None:
    """Of times that are answered, whether it was asked for or not (PS3.4 C.4.1.1.3.2)."""
    if any(one.vr == "TM" for one in reading.wanted.values()):
        reading.wanted[BY_TAG[TIMEZONE].keyword] = BY_TAG[TIMEZONE]


def _read_key(reading: _Reading, attribute: Attribute, key: Key) -> None:
    reading.wanted[attribute.keyword] = attribute
    if attribute.parts:
        _read_sequence(reading, attribute, key)
    elif values := values_of(attribute, key, reading.charset):
        if attribute.matches:
            matcher = matcher_of(attribute, values)
            reading.matchers[attribute.keyword] = AnyOf(matcher) if attribute.is_computed else matcher
        else:
            reading.less = True


def _read_sequence(reading: _Reading, attribute: Attribute, key: Key) -> None:
    within, less = read_within(attribute, key, reading.charset)
    reading.within[attribute.keyword] = within
    reading.less |= less
    if not within.is_universal:
        reading.matchers[attribute.keyword] = within


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
