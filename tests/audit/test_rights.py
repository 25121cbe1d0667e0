"""With the database user of the processes an entry can be appended, and neither changed nor deleted."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.house import House

FORBIDDEN = [
    "UPDATE audit_entry SET actor = 'mallory'",
    "UPDATE audit_entry SET actor = actor WHERE sequence = 1",
    "DELETE FROM audit_entry",
    "DELETE FROM audit_entry WHERE sequence = 1",
    "TRUNCATE audit_entry",
    "DELETE FROM audit_head",
    "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_entry_is_not_changed ON audit_entry",
    "DROP TABLE audit_entry",
    "CREATE OR REPLACE FUNCTION audit_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
    "SELECT audit_let_go(1, 1)",
    "SET session_replication_role = replica",
    "SET ROLE postgres",
    "DELETE FROM django_migrations",
    "INSERT INTO audit_entry SELECT * FROM audit_entry WHERE sequence = 1"
    " ON CONFLICT (sequence) DO UPDATE SET actor = 'mallory'",
    "CREATE RULE nothing AS ON INSERT TO audit_entry DO INSTEAD NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_entry_stays()",
    "ALTER TABLE audit_entry RENAME TO audit_past",
    "ALTER TABLE audit_entry ADD COLUMN x int",
    "ALTER TABLE audit_entry OWNER TO CURRENT_USER",
    "ALTER FUNCTION audit_entry_stays() OWNER TO CURRENT_USER",
    "DROP FUNCTION audit_entry_stays() CASCADE",
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "COPY audit_entry TO '/tmp/never'",
    "COPY audit_entry FROM PROGRAM 'true'",
    "SELECT lo_import('/etc/hostname')",
    "SELECT pg_read_file('/etc/hostname')",
    "MERGE INTO audit_entry USING audit_head ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM audit_entry RETURNING 1) SELECT * FROM gone",
    "SELECT * FROM audit_entry FOR UPDATE",
    "TRUNCATE audit_head",
    "UPDATE pg_class SET relowner = 0",
]


@dataclass(frozen=True)
class Site:
    house: House
    role: str

    def link(self, user: str) -> Any:
        env = self.house.env
        return psycopg2.connect(
            host=env["POSTGRES_HOST"], port=env["POSTGRES_PORT"], dbname=env["POSTGRES_DB"], user=user
        )

    def ask(self, user: str, *statements: str) -> None:
        link = self.link(user)
        link.autocommit = True
        with link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        link.close()

    def owner_asks(self, *statements: str) -> None:
        self.ask(self.house.env["POSTGRES_USER"], *statements)

    def refuses(self, statement: str) -> str:
        """The SQLSTATE with which the processes' user is refused; empty: it was done."""
        try:
            self.ask(self.role, statement)
        except psycopg2.Error as error:
            return str(error.pgcode)
        return ""


@pytest.fixture
def site(house: House) -> Iterator[Site | None]:
    """Nothing where the suite runs on SQLite, which knows no users."""
    if house.env.get("DATABASE_ENGINE") != "postgresql":
        yield None
        return
    one = Site(house, f"web_{secrets.token_hex(6)}")
    one.owner_asks(f"CREATE ROLE {one.role} LOGIN")
    yield one
    one.owner_asks(f"DROP OWNED BY {one.role}", f"DROP ROLE {one.role}")


def test_the_user_of_the_processes_appends_and_changes_nothing(site: Site | None, house: House) -> None:
    if site is None:
        said = house.command("audit_rights", "anybody")
        assert said.returncode == 1 and "SQLite knows no roles" in said.stderr
        return
    assert house.command("verify_audit").returncode == 0
    assert site.refuses("SELECT * FROM audit_entry") == "42501", "before it was given anything"
    granted = house.command("audit_rights", site.role)
    assert granted.returncode == 0, granted.stderr
    site.refuses("GRANT UPDATE, DELETE ON audit_entry TO CURRENT_USER")  # of which PostgreSQL makes a warning
    left = {statement: site.refuses(statement) for statement in FORBIDDEN}
    assert set(left.values()) == {"42501"}, left

    mine = {"POSTGRES_USER": site.role}
    doctor = house.command("doctor", **mine)
    assert f"the database user {site.role} can append entries and change none" in doctor.stdout
    assert "could take the triggers of the audit away" in house.command("doctor").stdout
    before = house.command("verify_audit", **mine).stdout
    assert house.command("doctor", "--restore-was-tried", **mine).stdout
    after = house.command("verify_audit", **mine)
    assert after.returncode == 0 and "whole" in after.stdout and after.stdout != before, "it can append"
    kept = house.command("audit_retention", "--days", "1", **mine)
    assert kept.returncode == 1 and "may not let entries go" in kept.stderr
    assert house.command("audit_retention", "--days", "1").returncode == 0


def test_a_plain_owner_is_enough_as_the_page_says(site: Site | None) -> None:
    if site is None:
        return
    owner, database = f"{site.role}_owner", f"{site.role}_db"
    site.owner_asks(
        f"CREATE ROLE {owner} LOGIN", f"CREATE DATABASE {database} OWNER {owner} TEMPLATE template0"
    )
    plain = Site(
        replace(site.house, env=site.house.env | {"POSTGRES_DB": database, "POSTGRES_USER": owner}), site.role
    )
    try:
        assert plain.house.command("migrate").returncode == 0
        granted = plain.house.command("audit_rights", site.role)
        assert granted.returncode == 0, granted.stderr
        assert plain.house.command("verify_audit", POSTGRES_USER=site.role).returncode == 0
        left = {statement: plain.refuses(statement) for statement in FORBIDDEN}
        assert set(left.values()) == {"42501"}, left
        plain.owner_asks("CREATE TABLE later (id bigserial PRIMARY KEY)")
        assert plain.refuses("INSERT INTO later DEFAULT VALUES") == ""
        assert plain.house.command("audit_retention", "--days", "1").returncode == 0
    finally:
        site.owner_asks(f"DROP DATABASE {database} WITH (FORCE)", f"DROP ROLE {owner}")


def test_tables_of_a_later_migration_are_the_processes_too(site: Site | None) -> None:
    if site is None:
        return
    assert site.house.command("audit_rights", site.role).returncode == 0
    site.owner_asks("CREATE TABLE later (id bigserial PRIMARY KEY)")
    assert site.refuses("INSERT INTO later DEFAULT VALUES") == ""


@pytest.mark.parametrize(
    ("gift", "why"),
    [
        ("ALTER ROLE {role} SUPERUSER", "could change entries all the same"),
        ("ALTER ROLE {role} CREATEROLE", "could change entries all the same"),
        ("GRANT postgres TO {role}", "could change entries all the same"),
        ("ALTER ROLE {role} RENAME TO {role}_gone", "no such role"),
        ("GRANT pg_write_all_data TO {role}", "by what everybody or a group"),
        ("GRANT pg_execute_server_program TO {role}", "by what everybody or a group"),
        (
            "CREATE ROLE {role}_group; GRANT UPDATE (actor) ON audit_entry TO {role}_group;"
            " GRANT {role}_group TO {role}; ALTER ROLE {role} NOINHERIT",
            "by what everybody or a group",
        ),
        ("GRANT TRIGGER ON audit_entry TO PUBLIC", "by what everybody or a group"),
        ("GRANT EXECUTE ON FUNCTION audit_let_go TO {role}", "by what everybody or a group"),
    ],
)
def test_a_role_that_could_help_itself_gets_nothing(site: Site | None, gift: str, why: str) -> None:
    if site is None:
        return
    site.owner_asks(gift.format(role=site.role))
    try:
        said = site.house.command("audit_rights", site.role)
        assert said.returncode == 1 and why in said.stderr
    finally:
        if "RENAME" in gift:
            site.owner_asks(f"ALTER ROLE {site.role}_gone RENAME TO {site.role}")
        if "_group" in gift:
            site.owner_asks(f"DROP OWNED BY {site.role}_group", f"DROP ROLE {site.role}_group")


LET_GO = "SELECT audit_let_go(1, 1)"


def test_promise_9_after_a_restore_nobody_lets_entries_go(site: Site | None, tmp_path: Path) -> None:
    """A dump knows no rights, and a function that is made anew may be called by everybody."""
    if site is None:
        return
    house, archive = site.house, tmp_path / "house.tar"
    assert house.command("audit_rights", site.role).returncode == 0
    assert house.command("backup", str(archive)).returncode == 0
    shutil.rmtree(house.data)
    house.empty_database()
    restored = house.command("restore", str(archive))
    assert restored.returncode == 0, restored.stderr
    site.owner_asks(f"GRANT USAGE ON SCHEMA public TO {site.role}")
    assert site.refuses(LET_GO) == "42501", "before rights are given again"
    granted = house.command("audit_rights", site.role)
    assert granted.returncode == 0, granted.stderr
    assert site.refuses(LET_GO) == "42501"


def test_promise_9_whoever_may_call_the_function_of_retention_does_not_stand_apart(site: Site | None) -> None:
    if site is None:
        return
    mine = {"POSTGRES_USER": site.role}
    apart = f"the database user {site.role} can append entries and change none"
    assert site.house.command("audit_rights", site.role).returncode == 0
    site.owner_asks("GRANT EXECUTE ON FUNCTION audit_let_go TO PUBLIC")
    assert apart not in site.house.command("doctor", **mine).stdout
    granted = site.house.command("audit_rights", site.role)
    assert granted.returncode == 0, granted.stderr
    assert apart in site.house.command("doctor", **mine).stdout


def test_nobody_gives_themselves_rights(site: Site | None) -> None:
    if site is None:
        return
    assert site.house.command("audit_rights", site.role).returncode == 0
    said = site.house.command("audit_rights", site.role, POSTGRES_USER=site.role)
    assert said.returncode == 1 and "Only the owner" in said.stderr
