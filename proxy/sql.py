"""Plain SQL for what runs with every image, straight to the driver.

Django's cursor costs some 25 us for each statement around what the database itself takes: five times more than an
indexed look-up in SQLite (docs/performance.md). What the driver raises still comes out as Django's errors.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connection


def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows. Marks are `%s`; times go through `time`. Runs in whatever transaction is open."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            return list(connection.connection.execute(_marked(sql), values))
        with connection.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor) if cursor.description else []


def tell_many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """The same statement, once for each row."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            connection.connection.executemany(_marked(sql), rows)
        else:
            with connection.connection.cursor() as cursor:
                cursor.executemany(sql, rows)


def time(value: Any) -> Any:
    """A moment as the database keeps it."""
    return connection.ops.adapt_datetimefield_value(value)


@lru_cache(maxsize=256)
def _marked(sql: str) -> str:
    return sql.replace("%s", "?")
