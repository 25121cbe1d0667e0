"""Leave the database of a test that committed as one that never was used, in milliseconds.

Django truncates every table and then makes content types and permissions anew: 0.1 s of SQLite and 0.3 s of PostgreSQL
after each such test. Here only tables that hold rows are emptied, and what migrations made of the models stays.
"""

from collections.abc import Iterable

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from proxy.audit import guard

KEPT = frozenset({"django_content_type", "auth_permission", "django_migrations"})


def install() -> None:
    TransactionTestCase._fixture_teardown = lambda self: empty()  # type: ignore[attr-defined]


def empty() -> None:
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        _empty(cursor, _tables())


def _tables() -> list[str]:
    every = (model._meta for model in apps.get_models(include_auto_created=True))
    return sorted({meta.db_table for meta in every if meta.managed and not meta.proxy} - KEPT)


def _empty(cursor: CursorWrapper, tables: Iterable[str]) -> None:
    if connection.vendor == "postgresql":
        cursor.execute("SET LOCAL session_replication_role = replica")  # no foreign key is checked on the way
    full = _full(cursor, tables)
    guarded = connection.vendor == "sqlite" and "audit_entry" in full
    if guarded:
        guard.lift(connection)
    for table in full:
        cursor.execute(f'DELETE FROM "{table}"')
    if guarded:
        guard.install(connection)


def _full(cursor: CursorWrapper, tables: Iterable[str]) -> list[str]:
    """Those that hold a row, asked in one question."""
    cursor.execute(
        " UNION ALL ".join(f"SELECT '{one}' WHERE EXISTS (SELECT 1 FROM \"{one}\")" for one in tables)
    )
    return [name for (name,) in cursor.fetchall()]
