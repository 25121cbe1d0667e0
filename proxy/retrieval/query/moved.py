"""Days of the identified view on dates as the index has them: moved into the past, each person's by their own number of
days; or as they were, without month and day, or gone, as a recipe wanted it.

What this keeps is looked at again with what the seals say, and to open a seal costs as much as to read ten rows. So the
days of each person are moved, too, instead of making the range as wide as the widest shift.
"""

import calendar
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import CharField, Exists, F, Func, OuterRef, Q, Value

from proxy.deid.identifiers import MOST_DAYS_BACK
from proxy.retrieval.query.attributes import SERIES, STUDY, Attribute
from proxy.retrieval.query.matching import Between
from proxy.retrieval.query.ready import Below
from proxy.vault.models import Person

TO_STUDY: Final[Mapping[str, str]] = {STUDY: "", SERIES: "study__"}
"""From the table of an attribute to that of studies, which says whose its rows are."""
MOST_YEARS: Final = 100


def within(range_: Between, attribute: Attribute, column: str) -> Q:
    begin, end = _real(range_.first), _real(range_.last)
    if attribute.level not in TO_STUDY or not (begin or end):
        return wide(range_, column)
    path = column.removesuffix(attribute.column) + TO_STUDY[attribute.level]
    ends = {name: one.isoformat() for name, one in (("begin", begin), ("end", end)) if one}
    moved = Q(Below(_moved, (path, column), Q(**ends)))
    return wide(range_, column) & (_as_it_was(range_, column) | _lost(begin, end, column) | moved)


def wide(range_: Between, column: str) -> Q:
    """By the widest shift there is."""
    kept = Q(**{f"{column}__gte": _back(range_.first)}) if range_.first else Q()
    kept &= Q(**{f"{column}__lte": range_.last}) if range_.last else Q()
    return kept | Q(**{column: ""}) if kept else kept


def _as_it_was(range_: Between, column: str) -> Q:
    kept = Q(**{f"{column}__gte": range_.first}) if range_.first else Q()
    return kept & Q(**{f"{column}__lte": range_.last}) if range_.last else kept


def _lost(begin: date | None, end: date | None, column: str) -> Q:
    """Gone, or without month and day."""
    gone = Q(**{column: ""})
    if begin is None or end is None or end.year - begin.year > MOST_YEARS:
        return gone | Q(**{f"{column}__endswith": "0101"})
    return gone | Q(**{f"{column}__among": [f"{year:04}0101" for year in range(begin.year, end.year + 1)]})


def _moved(path: str, column: str, ends: Q) -> Q:
    """Where the column lies between the ends, as its person's shift moves them."""
    said: dict[str, Any] = dict(one for one in ends.children if isinstance(one, tuple))
    persons = Person.objects.filter(
        project_id=OuterRef(f"{path}project_id"), pseudonym=OuterRef(f"{path}patient")
    )
    if "begin" in said:
        persons = persons.annotate(begin=Earlier(Value(said["begin"]), F("shift_days")))
        persons = persons.filter(begin__lte=OuterRef(column))
    if "end" in said:
        persons = persons.annotate(end=Earlier(Value(said["end"]), F("shift_days")))
        persons = persons.filter(end__gte=OuterRef(column))
    return Q(Exists(persons))


class Earlier(Func):
    """Of a day (ISO 8601) and a number of days: so many days before, as DICOM writes it."""

    output_field = CharField()

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        shape = "to_char(%(expressions)s, 'YYYYMMDD')"
        return self.as_sql(compiler, connection, template=shape, arg_joiner="::date - ")

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        shape = "strftime('%%Y%%m%%d', %(expressions)s || ' days')"
        return self.as_sql(compiler, connection, template=shape, arg_joiner=", -")


def _real(day: str) -> date | None:
    """The last there is, of a month that has not so many."""
    try:
        year, month = int(day[:4]), int(day[4:6])
        return date(year, month, min(int(day[6:]), calendar.monthrange(year, month)[1]))
    except (ValueError, calendar.IllegalMonthError):
        return None


def _back(day: str) -> str:
    try:
        first = date(int(day[:4]), int(day[4:6]), min(int(day[6:]), 28))
        return (first - timedelta(days=MOST_DAYS_BACK)).strftime("%Y%m%d")
    except (ValueError, OverflowError):
        return ""
