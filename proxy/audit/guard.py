"""Triggers that keep entries as they were written: nobody updates, deletes or replaces one, by mistake or by hand.

Whoever owns the table can take them away, and the keyed chain shows what they did then. On PostgreSQL the processes
work under a role that does not own it (`rights.py`), and cannot. Retention goes its own way past them: on PostgreSQL
by a function that only the owner may call, on SQLite by taking them off and putting them back in one transaction.
"""

from typing import Any, Final

from django.db import transaction

WHY: Final = "audit entries are neither changed nor deleted"
CHANGED, DELETED, EMPTIED, REPLACED = (
    "audit_entry_is_not_changed",
    "audit_entry_is_not_deleted",
    "audit_entry_is_not_emptied",
    "audit_entry_is_not_replaced",
)
FUNCTION: Final = "audit_entry_stays"
LET_GO: Final = "audit_let_go"

_IN_THE_WAY: Final = (
    "SELECT 1 FROM audit_entry WHERE sequence = NEW.sequence OR mac = NEW.mac OR (NEW.id > 0 AND id = NEW.id)"
)
_SQLITE: Final = {
    CHANGED: f"CREATE TRIGGER {CHANGED} BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, '{WHY}'); END",
    DELETED: f"CREATE TRIGGER {DELETED} BEFORE DELETE ON audit_entry BEGIN SELECT RAISE(ABORT, '{WHY}'); END",
    REPLACED: f"CREATE TRIGGER {REPLACED} BEFORE INSERT ON audit_entry WHEN EXISTS ({_IN_THE_WAY})"
    f" BEGIN SELECT RAISE(ABORT, '{WHY}'); END",
}
"""INSERT OR REPLACE removes what is in its way, and no trigger on DELETE hears of it unless `recursive_triggers` is on;
the number of a new row is below 0 as long as nobody gave one."""
_POSTGRESQL: Final = {
    CHANGED: f"CREATE TRIGGER {CHANGED} BEFORE UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()",
    DELETED: f"CREATE TRIGGER {DELETED} BEFORE DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()",
    EMPTIED: f"CREATE TRIGGER {EMPTIED} BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT"
    f" EXECUTE FUNCTION {FUNCTION}()",
}
_REFUSE: Final = f"""
CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'DELETE' AND coalesce(current_setting('postern.letting_go', true), '') = 'on'
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '{WHY}' USING ERRCODE = 'insufficient_privilege';
END $body$"""  # noqa: S608 - our own names
_RETENTION: Final = f"""
CREATE OR REPLACE FUNCTION {LET_GO}(up_to bigint, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $body$
DECLARE gone bigint;
BEGIN
  PERFORM set_config('postern.letting_go', 'on', true);
  DELETE FROM audit_entry WHERE sequence IN
    (SELECT sequence FROM audit_entry WHERE sequence <= up_to ORDER BY sequence LIMIT most);
  GET DIAGNOSTICS gone = ROW_COUNT;
  PERFORM set_config('postern.letting_go', 'off', true);
  RETURN gone;
END $body$"""  # noqa: S608
"""A role that only calls it works as its owner while it runs, so it may be called by the owner alone."""


def install(connection: Any) -> None:
    """Put the triggers where they are missing. On PostgreSQL only the table's owner can."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_REFUSE)
            cursor.execute(_RETENTION)
            cursor.execute(f"REVOKE ALL ON FUNCTION {LET_GO}(bigint, integer) FROM PUBLIC")
        for name in missing(connection):
            _drop(connection, cursor, name)
            cursor.execute(_triggers(connection)[name])


def lift(connection: Any) -> None:
    """Take them away, for retention on SQLite; call it in a transaction that puts them back."""
    with connection.cursor() as cursor:
        for name in _triggers(connection):
            _drop(connection, cursor, name)


def _drop(connection: Any, cursor: Any, name: str) -> None:
    place = " ON audit_entry" if connection.vendor == "postgresql" else ""
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}{place}")


def missing(connection: Any) -> list[str]:
    """Triggers that are not there, are another's of that name, or are switched off."""
    with connection.cursor() as cursor:
        standing = _enabled(cursor) if connection.vendor == "postgresql" else _as_made(cursor)
    return [name for name in _triggers(connection) if name not in standing]


def _triggers(connection: Any) -> dict[str, str]:
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


def _as_made(cursor: Any) -> set[str]:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_entry'")
    return {name for name, text in cursor.fetchall() if text == _SQLITE.get(name)}


def _enabled(cursor: Any) -> set[str]:
    cursor.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_entry'::regclass AND tgenabled IN ('O', 'A')"
        " AND tgfoid = to_regproc(%s)",
        [FUNCTION],
    )
    return {name for (name,) in cursor.fetchall()}
