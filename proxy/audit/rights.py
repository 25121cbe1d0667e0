"""PostgreSQL: what the role under which the processes work may do to the audit, and how it gets its rights.

The owner of the tables migrates, restores, and lets old entries go. The processes (`web`, `listen`, `work`, `link`)
work under a role of their own, which reads and appends entries and can neither change nor delete one, nor take the
triggers away. In an installation with one role that role owns the tables: the triggers stop its mistakes, and only the
keyed chain shows what somebody with its password does on purpose.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.db import connections, transaction
from psycopg2.sql import SQL, Identifier

from proxy.audit import guard

LET_GO: Final = f"{guard.LET_GO}(bigint, integer)"


class CannotGrant(Exception):
    """The operator's to mend: the sentence says why this role gets no rights; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database user of this connection could do to entries."""

    user: str
    owns: bool
    changes: bool

    @property
    def is_apart(self) -> bool:
        return not self.owns and not self.changes


def standing(using: str = "default") -> Standing:
    """Of PostgreSQL; a superuser owns everything."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT current_user, pg_has_role(c.relowner, 'USAGE') OR r.rolsuper,"
            " has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE')"
            " OR has_table_privilege(c.oid, 'TRUNCATE') OR has_table_privilege(c.oid, 'TRIGGER')"
            " OR has_any_column_privilege(c.oid, 'UPDATE')"
            " OR coalesce(has_function_privilege(to_regprocedure(%s), 'EXECUTE'), false)"
            " FROM pg_class c, pg_roles r WHERE c.oid = 'audit_entry'::regclass AND r.rolname = current_user",
            [LET_GO],
        )
        user, owns, changes = cursor.fetchone()
    return Standing(str(user), bool(owns), bool(changes))


def grant(role: str, using: str = "default") -> None:
    """Give a role what the processes need, now and of tables to come; call it as the owner. Raises CannotGrant.

    The guard comes first: a dump knows no rights, so that after a restore everybody may call its function."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        _must_be_apart(cursor, role)
        guard.install(connection)
        cursor.execute("SELECT current_schema(), current_database()")
        schema, database = cursor.fetchone()
        for statement in _GRANTS:
            cursor.execute(_with_names(connection, statement, role, schema, database))
        _must_be_kept_out(cursor, role, schema)


_GRANTS: Final = (
    "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
    "REVOKE CREATE ON SCHEMA {schema} FROM {role}",
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON audit_entry FROM {role}",
    "REVOKE DELETE, TRUNCATE, TRIGGER ON audit_head FROM {role}",
    "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON django_migrations FROM {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role}",
)


def _with_names(connection: Any, statement: str, role: str, schema: str, database: str) -> str:
    names = {"role": Identifier(role), "schema": Identifier(schema), "database": Identifier(database)}
    connection.ensure_connection()
    return str(SQL(statement).format(**names).as_string(connection.connection))


def _must_be_apart(cursor: Any, role: str) -> None:
    cursor.execute(
        "SELECT rolsuper, rolcreaterole OR rolbypassrls, pg_has_role(rolname, c.relowner, 'MEMBER'),"
        " pg_has_role(c.relowner, 'USAGE')"
        " FROM pg_roles, pg_class c WHERE rolname = %s AND c.oid = 'audit_entry'::regclass",
        [role],
    )
    rows = cursor.fetchall()
    if not rows:
        raise CannotGrant("There is no such role: make it first, with LOGIN and a password of its own.")
    is_super, is_mighty, owns, may_grant = rows[0]
    if not may_grant:
        raise CannotGrant("Only the owner of the tables can give rights: set POSTGRES_USER to the owner.")
    if is_super or is_mighty or owns:
        raise CannotGrant("This role could change entries all the same: take a plain one that owns nothing.")


def _must_be_kept_out(cursor: Any, role: str, schema: str) -> None:
    """What everybody may do, or a group it is in, is its right too, also where it has to take the group's name first.
    Whoever may make functions where the owner looks for them can have the owner run theirs."""
    cursor.execute(
        "SELECT bool_or(has_table_privilege(r.oid, c.oid, 'UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE')"
        " OR has_table_privilege(r.oid, c.oid, 'TRUNCATE') OR has_table_privilege(r.oid, c.oid, 'TRIGGER')"
        " OR has_any_column_privilege(r.oid, c.oid, 'UPDATE')"
        " OR has_function_privilege(r.oid, %s, 'EXECUTE')), bool_or(has_schema_privilege(r.oid, %s, 'CREATE')),"
        " bool_or(r.rolname IN ('pg_write_server_files', 'pg_execute_server_program'))"
        " FROM pg_roles r, pg_class c WHERE c.oid = 'audit_entry'::regclass AND pg_has_role(%s, r.oid, 'MEMBER')",
        [LET_GO, schema, role],
    )
    changes, makes, writes = cursor.fetchone()
    if changes or makes or writes:
        raise CannotGrant(
            "This role could change entries all the same, by what everybody or a group of its may do: take"
            " UPDATE, DELETE, TRUNCATE and TRIGGER on audit_entry, and CREATE on the schema, away from these, or take"
            " a plain role."
        )
