"""From a matcher to a condition on a column that keeps every row which may match; what it keeps is looked at again.

So a condition need not be exact, and databases may differ in what their LIKE thinks of case; but it has to be near,
because a row that is read in vain costs as much as one that is answered.
"""

from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_
from typing import Final

from django.db import connection
from django.db.models import Q

from proxy.retrieval.query.matching import (
    AnyOf,
    Between,
    Days,
    Exactly,
    Like,
    Matcher,
    Moments,
    Names,
    is_wild,
)

MOST_IN_A_LIST: Final = 10_000
"""Over it the database reads every row there is."""


def narrowed(matcher: Matcher, column: str) -> Q:
    if isinstance(matcher, AnyOf):
        return narrowed(matcher.each, column)
    if isinstance(matcher, Exactly):
        return _among(matcher.values, column)
    if isinstance(matcher, Like):
        return any_of(_like(pattern, column) for pattern in matcher.patterns)
    if isinstance(matcher, Days):
        return any_of(_between(one, column) for one in matcher.ranges)
    return Q()


def pseudonyms(matcher: Matcher, column: str) -> Q:
    """Of names that are pseudonyms: one component, in capitals."""
    if not isinstance(matcher, Names):
        return narrowed(matcher, column)
    return any_of(_like(_bare(pattern), column) for pattern in matcher.patterns)


def moments(joint: Moments, column: str) -> Q:
    """On the date alone."""
    return _between(Between(joint.range.first[:8], joint.range.last[:8]), column)


def _bare(pattern: str) -> str:
    """What the pattern asks of the first component of the first group; all, where it is not that simple."""
    if "=" in pattern or not pattern.isascii():
        return "*"
    first, _, rest = pattern.partition("^")
    return (first if not is_wild(rest) or first.strip() else "*").strip().upper()


def _among(values: frozenset[str], column: str) -> Q:
    if len(values) == 1:
        return Q(**{column: next(iter(values))})
    return among(values, column)


def among(values: Collection[str], column: str) -> Q:
    return Q(**{f"{column}__among": sorted(values)}) if len(values) <= MOST_IN_A_LIST else Q()


def _like(pattern: str, column: str) -> Q:
    if not is_wild(pattern):
        return Q(**{column: pattern})
    pieces = pattern.replace("?", "*").split("*")
    begins = _begins(pieces[0], column) if pieces[0] else Q()
    longest = max(pieces[1:], key=len)
    return begins & Q(**{f"{column}__contains": longest}) if longest else begins


def _begins(prefix: str, column: str) -> Q:
    """SQLite finds the rows by index where it compares, PostgreSQL where it sees LIKE."""
    if connection.vendor != "sqlite":
        return Q(**{f"{column}__startswith": prefix})
    behind = prefix[:-1] + chr(ord(prefix[-1]) + 1) if ord(prefix[-1]) < 0xD7FF else ""
    after = Q(**{f"{column}__gte": prefix})
    return after & Q(**{f"{column}__lt": behind}) if behind else after


def _between(range_: Between, column: str) -> Q:
    after = Q(**{f"{column}__gte": range_.first}) if range_.first else Q(**{f"{column}__gt": ""})
    return after & Q(**{f"{column}__lte": range_.last}) if range_.last else after


def any_of(conditions: Iterable[Q]) -> Q:
    """One that holds for all rows is not lost, as Django's `|` would."""
    every = list(conditions)
    return reduce(or_, every) if all(every) else Q()
