"""What somebody with the database file in hand can write besides entries: it is found, and nothing falls over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from proxy.audit.anchors import anchor
from proxy.audit.findings import Kind
from proxy.audit.models import Entry, Head
from proxy.audit.record import ChainBroken, record
from proxy.audit.verify import Report, verify
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db
LENGTH = 10
NESTED = "[" * 900 + "]" * 900


@pytest.fixture(autouse=True)
def chain() -> None:
    unguard()
    for number in range(1, LENGTH + 1):
        record("identity.viewed", actor="ada", subject=f"ANON-{number}", detail={"n": number, "why": "it's"})


def sql(statement: str, *values: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def found(report: Report) -> list[tuple[Kind, int, int]]:
    return [(one.kind, one.first, one.last) for one in report.findings]


def is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def elsewhere(at: datetime) -> str:
    """The same moment in another zone: who asks for the entries of a day misses it."""
    return f"{at.replace(tzinfo=None) + timedelta(hours=14)}+14:00"


SPELLINGS: dict[str, Callable[[Entry], tuple[str, str]]] = {
    "another zone": lambda entry: ("at", elsewhere(entry.at)),
    "its own zone said": lambda entry: ("at", f"{entry.at.replace(tzinfo=None)}+00:00"),
    "a T in the time": lambda entry: ("at", entry.at.replace(tzinfo=None).isoformat()),
    "a key twice": lambda entry: ("detail", '{"n": 99, "n": 7, "why": "it\'s"}'),
    "spaces in the detail": lambda entry: ("detail", '{"n":7,"why":"it\'s"}'),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_says_the_same_in_another_spelling_is_found(spelling: str) -> None:
    """SQLite compares and sorts what stands there, not what it means; PostgreSQL keeps one spelling of each."""
    column, value = SPELLINGS[spelling](Entry.objects.get(sequence=7))
    if spelling == "a key twice" and not is_sqlite():
        return  # it keeps the last one, which is ours
    sql(f"UPDATE audit_entry SET {column} = %s WHERE sequence = 7", value)
    assert found(verify()) == ([(Kind.EDITED, 7, 7)] if is_sqlite() else [])


ODD_ON_SQLITE = [
    "actor = CAST(X'FF' AS TEXT)",
    "purpose = CAST(X'EDA080' AS TEXT)",
    "mac = CAST(X'FF' AS TEXT)",
    "actor = 'ada' || char(0) || 'x'",
    "actor = 'аda'",  # its first letter is Cyrillic
    "at = '9999-12-31 23:59:59-12:00'",
    "at = '0001-01-01 00:00:00+12:00'",
    "at = X'FF'",
    "at = 5",
    "detail = CAST(X'7B22FF227D' AS TEXT)",
    "detail = X'7B7D'",
    f"detail = '{NESTED}'",
    "detail = '7'",
    "version = 'one'",
    "version = 1.5",
]
ODD_ON_POSTGRESQL = [
    "actor = 'аda'",
    "at = 'infinity'",
    "at = '-infinity'",
    "at = '4000-01-01 00:00:00 BC'",
    "at = '290000-01-01 00:00:00'",
    "at = '9999-12-31 23:59:59.999999+00'",
    f"detail = '{'[' * 5000 + ']' * 5000}'",
    "detail = '1e400'",
    "detail = 'null'",
    "version = 32767",
]


@pytest.mark.parametrize("number", range(max(len(ODD_ON_SQLITE), len(ODD_ON_POSTGRESQL))))
def test_what_no_program_can_read_is_found(number: int) -> None:
    for change in (ODD_ON_SQLITE if is_sqlite() else ODD_ON_POSTGRESQL)[number : number + 1]:
        if is_sqlite():
            sql("PRAGMA ignore_check_constraints = 1")
        sql(f"UPDATE audit_entry SET {change.replace('%', '%%')} WHERE sequence = 7")
        report = verify()
        assert {one.first for one in report.findings} == {7}, change
        assert all(one.sentence for one in report.findings)
        if is_sqlite():
            sql("PRAGMA ignore_check_constraints = 0")


def test_an_unreadable_one_after_an_older_head_is_found() -> None:
    old = Head.objects.get()
    record("identity.viewed", actor="mallory")
    sql("UPDATE audit_head SET count = %s, head = %s, mac = %s", old.count, old.head, old.mac)
    far = "'9999-12-31 23:59:59-12:00'" if is_sqlite() else "'infinity'"
    sql(f"UPDATE audit_entry SET at = {far} WHERE sequence = {LENGTH + 1}")
    assert found(verify()) == [(Kind.INSERTED, LENGTH + 1, LENGTH + 1)]


def test_thousands_without_a_number_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_sqlite():
        return
    monkeypatch.setattr("proxy.audit.rows.PAGE", 4)
    for n in range(9):
        sql(
            "INSERT INTO audit_entry (sequence, version, at, actor, action, subject, purpose, detail, previous, mac)"
            f" SELECT 5.0{n + 1}, version, at, actor, action, subject, purpose, detail, previous, 'm{n}'"
            " FROM audit_entry WHERE sequence = 1"
        )
    assert found(verify()) == [(Kind.INSERTED, 0, 0)]
    sql("UPDATE audit_entry SET actor = 'mallory' WHERE sequence = 9")
    assert found(verify()) == [(Kind.INSERTED, 0, 0), (Kind.EDITED, 9, 9)]


HEADS_ON_SQLITE = [
    "count = 'ten'",
    "count = X'FF'",
    "count = -1",
    "head = CAST(X'FF' AS TEXT)",
    "head = X'FF'",
    "mac = X'FF'",
    "mac = CAST(X'FF' AS TEXT)",
    "mac = 'ü'",
]


@pytest.mark.parametrize("change", HEADS_ON_SQLITE)
def test_a_head_that_nobody_can_read_is_found(change: str) -> None:
    if not is_sqlite():
        return
    sql("PRAGMA ignore_check_constraints = 1")
    sql(f"UPDATE audit_head SET {change}")
    assert [one.kind for one in verify().findings] == [Kind.HEAD_CHANGED]
    sql("PRAGMA ignore_check_constraints = 0")


LINES = [
    '{"count": 1e999, "head": "", "at": "", "mac": ""}',
    '{"count": "ten", "head": "", "at": "", "mac": ""}',
    '{"count": 10}',
    "[" * 100_000,
    "\0",
    "null",
    '{"count": 10, "head": "\\ud800", "at": "\\ud800", "mac": "\\ud800"}',
]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_an_anchor_that_nobody_can_read_is_found(number: int, tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    anchor(file)
    with file.open("a") as lines:
        lines.write(LINES[number] + "\n")
    assert [one.kind for one in verify(file).findings] == [Kind.ANCHOR_CHANGED]


def test_who_puts_something_after_the_last_entry_is_named_where_nothing_can_be_appended() -> None:
    sql(
        "INSERT INTO audit_entry (sequence, version, at, actor, action, subject, purpose, detail, previous, mac)"
        f" SELECT {LENGTH + 1}, version, at, 'mallory', action, subject, purpose, detail, mac, 'f'"
        f" FROM audit_entry WHERE sequence = {LENGTH}"
    )
    with pytest.raises(ChainBroken, match="verify_audit"):
        record("identity.viewed", actor="ada")
    assert found(verify()) == [(Kind.INSERTED, LENGTH + 1, LENGTH + 1)]


@contextmanager
def no_checks() -> Iterator[None]:
    """Whoever owns the table can drop its constraints, and SQLite's file can be opened without them."""
    if is_sqlite():
        sql("PRAGMA ignore_check_constraints = ON")
        yield
        sql("PRAGMA ignore_check_constraints = OFF")
        return
    for name in ("entry_sequence_from_one", "audit_entry_sequence_check"):
        sql(f"ALTER TABLE audit_entry DROP CONSTRAINT IF EXISTS {name}")
    yield


@pytest.mark.parametrize("number", [0, -1, -(2**63)])
def test_promise_9_what_stands_before_the_first_entry_is_found(number: int) -> None:
    """Pages and /v1/audit show every row of the table."""
    with no_checks():
        sql(
            "INSERT INTO audit_entry (sequence, version, at, actor, action, subject, purpose, detail, previous, mac)"
            " SELECT %s, version, at, 'mallory', action, subject, purpose, detail, previous, %s FROM audit_entry"
            " WHERE sequence = 1",
            number,
            "f" * 64,
        )
    assert [kind for kind, _, _ in found(verify())] == [Kind.INSERTED]
