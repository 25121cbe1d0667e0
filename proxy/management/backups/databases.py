"""A snapshot of the database while everybody works, and the way back into an empty one."""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection, connections

SQLITE, POSTGRESQL = "sqlite", "postgresql"
NAMES = {SQLITE: "database/db.sqlite3", POSTGRESQL: "database/postgresql.dump"}


class DatabaseTrouble(Exception):
    """Our fault or the database's; the sentence says what to do."""


def engine() -> str:
    return SQLITE if connection.vendor == "sqlite" else POSTGRESQL


def snapshot(target: Path) -> None:
    if engine() == SQLITE:
        _copy_sqlite(Path(connection.settings_dict["NAME"]), target)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def put_back(source: Path) -> None:
    """Replace the database by this snapshot."""
    if engine() == SQLITE:
        _put_back_sqlite(source, Path(connection.settings_dict["NAME"]))
    else:
        _put_back_postgresql(source)
    connections.close_all()


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own backup: one consistent state, although others write meanwhile."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise DatabaseTrouble("The database is damaged: SQLite's quick_check failed on its copy.")


def _put_back_sqlite(source: Path, target: Path) -> None:
    connections.close_all()
    for old in (target, Path(f"{target}-wal"), Path(f"{target}-shm")):
        old.unlink(missing_ok=True)
    source.replace(target)


def _put_back_postgresql(source: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    connections.close_all()
    _run(
        "pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(source)
    )


def _trust() -> dict[str, str]:
    """What DCM_DB_URL says of TLS, as these programs read it: PGSSLMODE, PGSSLROOTCERT ..."""
    said = settings.POSTGRES_OPTIONS
    return {f"PG{name.upper()}": value for name, value in said.items() if name.startswith("ssl")}


def _run(program: str, *words: str) -> None:
    """What the program says is not shown: it may quote rows."""
    to = connection.settings_dict
    where = [
        f"--host={to['HOST']}",
        f"--port={to['PORT']}",
        f"--username={to['USER']}",
        f"--dbname={to['NAME']}",
    ]
    try:
        subprocess.run(  # noqa: S603 - two programs of PostgreSQL
            [program, *where, "--no-password", *words],
            check=True,
            capture_output=True,
            env=os.environ | {"PGPASSWORD": settings.POSTGRES_PASSWORD} | _trust(),
        )
    except FileNotFoundError:
        raise DatabaseTrouble(
            f"{program} is not installed here: install the package postgresql-client."
        ) from None
    except subprocess.CalledProcessError as error:
        raise DatabaseTrouble(
            f"{program} ended with exit status {error.returncode}; is it as new as the server?"
        ) from None
