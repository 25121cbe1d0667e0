"""Triggers refuse what would change an entry, whoever asks; that somebody took them away is noticed."""

import pytest
from django.db import DatabaseError, connection, transaction

from proxy.audit import guard
from proxy.audit.models import Entry
from proxy.audit.record import record
from proxy.audit.verify import verify
from proxy.management.doctor import books

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def chain() -> None:
    for number in range(3):
        record("identity.viewed", actor="ada", detail={"n": number})


CHANGES = [
    "UPDATE audit_entry SET actor = 'mallory' WHERE sequence = 2",
    "UPDATE audit_entry SET actor = actor",
    "UPDATE audit_entry SET id = id + 100",
    "DELETE FROM audit_entry WHERE sequence = 3",
    "DELETE FROM audit_entry",
]
COPIED = (
    "INTO audit_entry ({0}, version, at, actor, action, subject, purpose, detail, previous, {1})"
    " SELECT {2}, version, at, 'mallory', action, subject, purpose, detail, previous, {3}"
    " FROM audit_entry WHERE sequence = 2"
)
COPIES = [
    pytest.param(COPIED.format("sequence", "mac", "2", f"'{'f' * 64}'"), id="by its place"),
    pytest.param(COPIED.format("sequence", "mac", "999", "mac"), id="by its MAC"),
    pytest.param(COPIED.format("sequence, id", "mac", "999, id", f"'{'f' * 64}'"), id="by its row"),
]
REPLACING = {
    "sqlite": ["INSERT OR REPLACE {}", "REPLACE {}", "INSERT OR IGNORE {}", "INSERT OR FAIL {}"],
    "postgresql": [
        "INSERT {} ON CONFLICT (sequence) DO UPDATE SET actor = EXCLUDED.actor",
        "INSERT {} ON CONFLICT (mac) DO UPDATE SET actor = EXCLUDED.actor",
        "INSERT {} ON CONFLICT (id) DO UPDATE SET actor = EXCLUDED.actor",
    ],
}


@pytest.mark.parametrize("statement", CHANGES)
def test_nobody_changes_or_deletes_an_entry(statement: str) -> None:
    with pytest.raises(DatabaseError, match=guard.WHY), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Entry.objects.count() == 3 and verify().ok


@pytest.mark.parametrize("copy", COPIES)
def test_nobody_replaces_an_entry_by_inserting_another(copy: str) -> None:
    """SQLite removes what is in the way of a REPLACE, and no trigger on DELETE hears of it."""
    before = list(Entry.objects.values())
    for statement in REPLACING[connection.vendor]:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(copy))
    assert list(Entry.objects.values()) == before and verify().ok


def test_no_update_gets_past_by_its_way_with_conflicts() -> None:
    if connection.vendor != "sqlite":  # which has no such words
        return
    for way in ("REPLACE", "IGNORE", "FAIL", "ABORT"):
        with (
            pytest.raises(DatabaseError, match=guard.WHY),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE OR {way} audit_entry SET sequence = 3 WHERE sequence = 2")
    assert Entry.objects.count() == 3 and verify().ok


def test_the_table_is_not_emptied_at_once() -> None:
    """SQLite knows no TRUNCATE; its DELETE of all rows is refused above."""
    if connection.vendor == "postgresql":
        with (
            pytest.raises(DatabaseError, match=guard.WHY),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("TRUNCATE audit_entry")
    assert Entry.objects.count() == 3


def test_entries_are_still_appended() -> None:
    assert record("identity.viewed", actor="ada").sequence == 4 and verify().ok


def test_the_doctor_notices_triggers_that_were_taken_away_and_puts_them_back() -> None:
    assert not [found for found in books.examine_audit() if found.level == "FAIL"]
    guard.lift(connection)
    [found] = [found for found in books.examine_audit() if found.level == "FAIL"]
    assert "taken away" in found.sentence and found.repair is not None
    assert guard.missing(connection)
    found.repair()
    assert not guard.missing(connection)
    last = Entry.objects.order_by("-sequence")[0]
    assert (last.action, last.subject) == ("configuration.changed", "audit") and "back" in str(last.detail)


def test_a_trigger_of_that_name_that_does_nothing_counts_as_missing() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE audit_entry DISABLE TRIGGER {guard.DELETED}")
        else:
            cursor.execute(f"DROP TRIGGER {guard.DELETED}")
            cursor.execute(f"CREATE TRIGGER {guard.DELETED} BEFORE DELETE ON audit_entry BEGIN SELECT 1; END")
    assert guard.missing(connection) == [guard.DELETED]
    guard.install(connection)
    assert not guard.missing(connection)
