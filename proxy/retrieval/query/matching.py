"""Whether a value matches a key (PS3.4 C.2.2.2): one class for each way of matching, over text.

Nothing here is a regular expression: a stranger's pattern costs at most its length times the value's.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

WILD: Final = frozenset("*?")
COMPONENT, GROUP = "^", "="


class Matcher(Protocol):
    def matches(self, value: str) -> bool: ...


@dataclass(frozen=True, slots=True, repr=False)
class Exactly:
    """Single value matching, and a list of UIDs."""

    values: frozenset[str]

    def matches(self, value: str) -> bool:
        return value in self.values


@dataclass(frozen=True, slots=True, repr=False)
class AnyOf:
    """Of an attribute with several values, joined with a backslash: one has to match."""

    each: Matcher

    def matches(self, value: str) -> bool:
        return any(self.each.matches(one) for one in value.split("\\"))


@dataclass(frozen=True, slots=True, repr=False)
class Numbers:
    """Of integer strings: 01 is 1."""

    values: frozenset[int]

    def matches(self, value: str) -> bool:
        return whole(value) in self.values


@dataclass(frozen=True, slots=True, repr=False)
class Like:
    """Wildcards; with its case."""

    patterns: tuple[str, ...]

    def matches(self, value: str) -> bool:
        return any(wildcard(pattern, value) for pattern in self.patterns)


@dataclass(frozen=True, slots=True, repr=False)
class Names:
    """Names of persons, whatever their case: the whole as it stands, or component by component."""

    patterns: tuple[str, ...]

    def matches(self, value: str) -> bool:
        return any(name_matches(folded(pattern), folded(value)) for pattern in self.patterns)


@dataclass(frozen=True, slots=True, repr=False)
class Between:
    """Inclusive. Values as `day`, `hour` or both make them; an end may be open. What has no value is not within."""

    first: str
    last: str

    def matches(self, value: str) -> bool:
        return bool(value) and self.first <= value and (not self.last or value <= self.last)


@dataclass(frozen=True, slots=True, repr=False)
class Days:
    ranges: tuple[Between, ...]

    def matches(self, value: str) -> bool:
        return any(one.matches(day(value)) for one in self.ranges)


@dataclass(frozen=True, slots=True, repr=False)
class Hours:
    ranges: tuple[Between, ...]

    def matches(self, value: str) -> bool:
        return any(one.matches(hour(value)) for one in self.ranges)


@dataclass(frozen=True, slots=True, repr=False)
class Moments:
    """Date and time as one (PS3.4 C.2.2.2.5, negotiated)."""

    range: Between

    def covers(self, date: str, time: str) -> bool:
        known = day(date), hour(time)
        return all(known) and self.range.matches("".join(known))


# --- values -------------------------------------------------------------------------------------------


def whole(text: str) -> int | None:
    bare = text.strip()
    digits = bare[1:] if bare[:1] in ("+", "-") else bare
    return int(bare) if len(bare) <= 12 and _digits(digits) else None


def day(text: str) -> str:
    """YYYYMMDD; empty for what is none."""
    bare = text.strip()
    if len(bare) != 8 or not _digits(bare):
        return ""
    return bare if "01" <= bare[4:6] <= "12" and "01" <= bare[6:] <= "31" else ""


def hour(text: str, fill: str = "000000000000") -> str:
    """HHMMSSffffff. What was left out is the beginning of the minute or second, or what `fill` says."""
    clock, point, fraction = text.strip().partition(".")
    if not _digits(clock) or len(clock) not in (2, 4, 6) or (point and not _fraction(clock, fraction)):
        return ""
    if clock[:2] > "23" or clock[2:4] > "59" or clock[4:] > "60":
        return ""
    return (clock + fraction) + fill[len(clock) + len(fraction) :]


def _fraction(clock: str, fraction: str) -> bool:
    return len(clock) == 6 and 1 <= len(fraction) <= 6 and _digits(fraction)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


# --- patterns -----------------------------------------------------------------------------------------


def is_wild(text: str) -> bool:
    return not WILD.isdisjoint(text)


def is_beginning(pattern: str) -> bool:
    """What most patterns are."""
    return pattern.endswith("*") and pattern.find("*") == len(pattern) - 1 and "?" not in pattern


def wildcard(pattern: str, text: str) -> bool:
    """`*` is any sequence, an empty one too, `?` any one character (PS3.4 C.2.2.2.4)."""
    if is_beginning(pattern):
        return text.startswith(pattern[:-1])
    at = here = 0
    star, retry = -1, 0
    while here < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, retry = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[here]):
            at += 1
            here += 1
        elif star >= 0:
            retry += 1
            at, here = star + 1, retry
        else:
            return False
    return not pattern[at:].strip("*")


def folded(text: str) -> str:
    """For comparing names: composed, without case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def name_matches(pattern: str, name: str) -> bool:
    """Both folded. A pattern without groups may match any group of the name; else each of its groups its own."""
    groups = [_tidy(group) for group in name.split(GROUP)]
    wanted = [_tidy(group) for group in pattern.split(GROUP)]
    if len(wanted) == 1:
        return any(_group_matches(wanted[0], group) for group in groups if group or len(groups) == 1)
    groups += [""] * (len(wanted) - len(groups))
    return all(not one or _group_matches(one, group) for one, group in zip(wanted, groups, strict=False))


def _tidy(group: str) -> str:
    """Trailing empty components mean nothing (PS3.5 6.2.1)."""
    return COMPONENT.join(one.strip() for one in group.split(COMPONENT)).rstrip(COMPONENT)


def _group_matches(pattern: str, group: str) -> bool:
    return wildcard(pattern, group) or _components_match(pattern.split(COMPONENT), group.split(COMPONENT))


def _components_match(patterns: Sequence[str], components: Sequence[str]) -> bool:
    most = max(len(patterns), len(components))
    padded = [*components, *[""] * (most - len(components))]
    return all(wildcard(one, two) for one, two in zip([*patterns, *[""] * most], padded, strict=False))
