"""Statements kept ready: Django says once how a shape of query is asked, and each query only brings its values.

To build a QuerySet and compile it takes a millisecond, to ask an indexed table for a row a twentieth of that. What
a statement's text depends on is its shape: the function that makes the QuerySet, what that is called with, and the
condition less its values. So the QuerySet is made once for each shape, with slots in the place of values; its text is
kept, and the values of each query are put where the slots came out, as Django would have put them.

A condition is a `Q` of look-ups whose value is text, or a list of values (`__among`, whose text does not depend on how
many there are), and of `Below`. Whatever else is in one goes the usual way: Django compiles it each time.
"""

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Field, ForeignObject, Lookup, Q, QuerySet

from proxy import sql

LIKE: Final = ("__contains", "__startswith", "__endswith")
AMONG: Final = "__among"
Row = tuple[Any, ...]
Make = Callable[..., "QuerySet[Any]"]
Shape = tuple[Any, ...]


@Field.register_lookup
@ForeignObject.register_lookup
class Among(Lookup):
    """As `in`, with all values in one parameter."""

    lookup_name = "among"

    def get_prep_lookup(self) -> Any:
        return self.rhs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, values = self.process_lhs(compiler, connection)
        return sql.among(column), (*values, self.rhs if isinstance(self.rhs, Slot) else sql.packed(self.rhs))


@dataclass(frozen=True, slots=True)
class Below:
    """In a condition, what a sub-query says: `made(*fixed, where)`."""

    made: Callable[..., Q]
    fixed: tuple[Hashable, ...]
    where: Q


class Slot(str):
    """Stands for a value while a statement is made: its number, between signs that no constant of ours has."""

    __slots__ = ("is_like",)
    is_like: bool

    def __new__(cls, number: int, *, is_like: bool) -> "Slot":
        made = super().__new__(cls, f"\x1f{number}\x1f")
        made.is_like = is_like
        return made


@dataclass(frozen=True, slots=True)
class _Place:
    """Of a parameter: the value's number, and what Django has put around it."""

    number: int
    before: str
    behind: str
    is_like: bool

    def filled(self, values: Sequence[Any]) -> Any:
        value = values[self.number]
        if isinstance(value, list):
            return sql.packed(value)
        text = connection.ops.prep_for_like_query(value) if self.is_like else value
        return self.before + text + self.behind


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    parameters: tuple[Any, ...]

    def bound(self, values: Sequence[Any]) -> list[Any]:
        return [one.filled(values) if isinstance(one, _Place) else one for one in self.parameters]


def rows(make: Make, fixed: tuple[Hashable, ...], where: Q, most: int | None = None) -> list[Row]:
    """All rows of `make(*fixed, where)`, or the first `most` of them; within whatever transaction is open."""
    text, values = statement(make, fixed, where)
    if not text:
        return []
    return sql.ask(text, *values) if most is None else sql.ask(f"{text} LIMIT %s", *values, most)


def stream(make: Make, fixed: tuple[Hashable, ...], where: Q) -> Generator[Row, None, None]:
    """One after the other, never all in memory. Must be read, or closed, before anything is answered."""
    text, values = statement(make, fixed, where)
    if text:
        with closing(sql.stream(text, *values)) as found:
            yield from found


def statement(make: Make, fixed: tuple[Hashable, ...], where: Q) -> tuple[str, list[Any]]:
    """The text of `make(*fixed, where)`, and its parameters; no text where Django knows that nothing can match."""
    values: list[Any] = []
    try:
        shape = _shape(where, values)
    except _Unready:
        return _compiled(make(*fixed, resolved(where)))
    known = _statement(make, fixed, shape)
    return known.text, known.bound(values)


# --- from a condition to its shape, and back ------------------------------------------------------------


class _Unready(Exception):
    """Something in a condition is neither text nor a list."""


def _shape(where: Q, values: list[Any]) -> Shape:
    """Its look-ups without their values, which are added to `values` in their order."""
    return "all", where.connector, where.negated, tuple(_shape_of(one, values) for one in where.children)


def _shape_of(child: Any, values: list[Any]) -> Shape:
    if isinstance(child, Q):
        return _shape(child, values)
    if isinstance(child, Below):
        return "below", child.made, child.fixed, _shape(child.where, values)
    name, value = child if isinstance(child, tuple) else ("", None)
    if name.endswith(AMONG):
        value = list(value)
    elif type(value) is not str:
        raise _Unready
    values.append(value)
    return "is", name


def _slotted(shape: Shape, slots: list[Slot]) -> Any:
    """The condition of this shape, with slots in the place of its values."""
    match shape:
        case "below", made, fixed, where:
            return made(*fixed, _slotted(where, slots))
        case "is", name:
            slots.append(Slot(len(slots), is_like=name.endswith(LIKE)))
            return name, slots[-1]
        case _, connector, negated, children:
            return _q(connector, negated, [_slotted(one, slots) for one in children])


def _q(connector: str, negated: bool, children: list[Any]) -> Q:
    made = Q(_connector=connector, _negated=negated)
    made.children = children
    return made


def resolved(where: Q) -> Q:
    """As Django takes it."""
    return _q(where.connector, where.negated, [_resolved(one) for one in where.children])


def _resolved(child: Any) -> Any:
    if isinstance(child, Q):
        return resolved(child)
    return child.made(*child.fixed, resolved(child.where)) if isinstance(child, Below) else child


# --- from a shape to its statement ----------------------------------------------------------------------


@lru_cache(maxsize=512)
def _statement(make: Make, fixed: tuple[Hashable, ...], shape: Shape) -> Statement:
    slots: list[Slot] = []
    text, parameters = _compiled(make(*fixed, _slotted(shape, slots)))
    return Statement(text, tuple(_place(one, slots) for one in parameters))


def _compiled(made: "QuerySet[Any]") -> tuple[str, list[Any]]:
    try:
        text, parameters = made.query.sql_with_params()
    except EmptyResultSet:
        return "", []
    return text, list(parameters)


def _place(parameter: Any, slots: Sequence[Slot]) -> Any:
    if not isinstance(parameter, str) or "\x1f" not in parameter:
        return parameter
    before, number, behind = parameter.split("\x1f")
    return _Place(int(number), before, behind, slots[int(number)].is_like)
