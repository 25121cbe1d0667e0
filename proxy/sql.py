"""Plain SQL for what runs with every image, straight to the driver.

Django's cursor costs some 25 us for each statement around what the database itself takes: five times more than an
indexed look-up in SQLite (docs/performance.md). What the driver raises still comes out as Django's errors. A `%s`
is a value, on every database; times go through `time`.
"""

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Final

from django.db import connections, transaction
from django.db.models import QuerySet

Row = tuple[Any, ...]

AT_ONCE: Final = 500
MOST_ROWS: Final = 100
"""In one statement, so that its text stays short; a seal may be 64 KiB."""

_MOMENT: Final = datetime(1898, 12, 10, 1, 2, 3, 456789, tzinfo=UTC)
"""Stands where the moment of a question will be; nothing of ours is as old."""


def ask(statement: str, *values: Any) -> list[Row]:
    """All rows; none of a statement that returns none. Runs in whatever transaction is open."""
    django = connections["default"]
    django.ensure_connection()
    django.validate_no_broken_transaction()
    with django.wrap_database_errors:
        if _vendor() == "sqlite":
            return list(django.connection.execute(_marked(statement), values))
        with django.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor) if cursor.description else []


def stream(statement: str, *values: Any) -> Generator[Row, None, None]:
    """One row after the other, never all in memory. Must be read, or closed, before anything else is awaited."""
    django = connections["default"]
    with _steady(), django.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        while some := cursor.fetchmany(AT_ONCE):
            yield from some


def _steady() -> AbstractContextManager[Any]:
    """PostgreSQL streams within a transaction, and else makes all rows before it gives the first. To SQLite a
    transaction would be a writer's."""
    return transaction.atomic() if _vendor() == "postgresql" else nullcontext()


class Standing:
    """Whether there is any row, asked again and again: to make the ORM's SQL takes longer than to answer it, so it is
    made once. `rows` depends on the moment it is given and on nothing else that changes."""

    def __init__(self, rows: "Callable[[datetime], QuerySet[Any]]") -> None:
        self._rows = rows
        self._made: tuple[str, tuple[Any, ...]] | None = None

    def any(self, now: datetime = _MOMENT) -> bool:
        text, values = self._made = self._made or self._make()
        return bool(ask(text, *(time(now) if value == time(_MOMENT) else value for value in values)))

    def _make(self) -> tuple[str, tuple[Any, ...]]:
        text, values = self._rows(_MOMENT).order_by().values("pk")[:1].query.sql_with_params()
        return text, tuple(values)


def insert_many(
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    on_conflict: str = "",
    returning: str = "",
) -> list[Row]:
    """Insert rows, many in one round trip; what `returning` names comes back in no certain order."""
    ending = f" {on_conflict}" if on_conflict else ""
    ending += f" RETURNING {returning}" if returning else ""
    made: list[Row] = []
    for at in range(0, len(rows), MOST_ROWS):
        some = rows[at : at + MOST_ROWS]
        made += ask(_insertion(table, tuple(columns), len(some)) + ending, *chain.from_iterable(some))
    return made


def marks(values: Sequence[Any]) -> str:
    """For an IN list of so many values."""
    return ", ".join(["%s"] * len(values))


def among(column: str) -> str:
    """A condition with one parameter, `packed`, however many values there are: so its text is always the same."""
    some = "= ANY(%s)" if _vendor() == "postgresql" else "IN (SELECT value FROM json_each(%s))"
    return f"{column} {some}"


def packed(values: Iterable[Any]) -> Any:
    """Numbers or text, for `among`."""
    return list(values) if _vendor() == "postgresql" else json.dumps(list(values))


def lock(how: str) -> str:
    """`FOR UPDATE` and its kin where rows can be locked; in SQLite a writing transaction has the only lock there is."""
    return how if _vendor() == "postgresql" else ""


def time(value: datetime) -> Any:
    """A moment as the database keeps it: SQLite as text, in UTC."""
    return str(value.astimezone(UTC).replace(tzinfo=None)) if _vendor() == "sqlite" else value


@cache
def _vendor() -> str:
    """Looking up a thread's connection takes as long as a question to SQLite."""
    return connections["default"].vendor


@lru_cache(maxsize=256)
def _marked(statement: str) -> str:
    return statement.replace("%s", "?")


@lru_cache(maxsize=64)
def _insertion(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({marks(columns)})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own names
