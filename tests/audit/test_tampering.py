"""What somebody with the database in hand can do to the chain, and that each of it is found and named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import DataError, connection, transaction

from proxy.audit.anchors import anchor
from proxy.audit.findings import Kind
from proxy.audit.models import GENESIS, Entry, Head
from proxy.audit.record import record
from proxy.audit.verify import Report, verify
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db
LENGTH = 20

Found = list[tuple[Kind, int, int]]


@pytest.fixture(autouse=True)
def chain() -> None:
    unguard()
    for number in range(1, LENGTH + 1):
        record(
            "identity.viewed",
            actor="ada",
            subject=f"ANON-{number}",
            purpose="treatment",
            detail={"n": number},
        )


def sql(statement: str, *values: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def found(report: Report) -> Found:
    return [(one.kind, one.first, one.last) for one in report.findings]


def swap(one: int, other: int) -> None:
    sql("UPDATE audit_entry SET sequence = 1000000 WHERE sequence = %s", one)
    sql("UPDATE audit_entry SET sequence = %s WHERE sequence = %s", one, other)
    sql("UPDATE audit_entry SET sequence = %s WHERE sequence = 1000000", other)


def shift(first: int, last: int, by: int) -> None:
    sql("UPDATE audit_entry SET sequence = sequence + 1000000 WHERE sequence BETWEEN %s AND %s", first, last)
    sql("UPDATE audit_entry SET sequence = sequence - 1000000 + %s WHERE sequence > 1000000", by)


def insert(sequence: int, previous: str = GENESIS, mac: str = "f" * 64) -> None:
    sql(
        "INSERT INTO audit_entry (sequence, version, at, actor, action, subject, purpose, detail, previous, mac)"
        " SELECT %s, version, at, 'mallory', action, subject, purpose, detail, %s, %s"
        " FROM audit_entry WHERE sequence = 1",
        sequence,
        previous,
        mac,
    )


def delete(first: int, last: int) -> None:
    sql("DELETE FROM audit_entry WHERE sequence BETWEEN %s AND %s", first, last)


def edit(column: str, value: str | int, sequence: int = 7) -> Callable[[], None]:
    def attack() -> None:
        sql(f"UPDATE audit_entry SET {column} = %s WHERE sequence = %s", value, sequence)

    return attack


def edit_and_forge_mac() -> None:
    sql("UPDATE audit_entry SET actor = 'mallory', mac = %s WHERE sequence = 7", "f" * 64)


def insert_in_the_middle() -> None:
    shift(8, LENGTH, 1)
    insert(8)


def insert_and_raise_the_head() -> None:
    insert(LENGTH + 1)
    sql("UPDATE audit_head SET count = %s, head = %s", LENGTH + 1, "f" * 64)


def delete_and_close_the_gap() -> None:
    delete(7, 7)
    shift(8, LENGTH, -1)


def truncate_and_lower_the_head() -> None:
    mac = Entry.objects.get(sequence=15).mac
    delete(16, LENGTH)
    sql("UPDATE audit_head SET count = 15, head = %s", mac)


EVERYTHING = [
    pytest.param(edit("actor", "mallory"), [(Kind.EDITED, 7, 7)], id="actor edited"),
    pytest.param(edit("action", "keys.created"), [(Kind.EDITED, 7, 7)], id="action edited"),
    pytest.param(edit("subject", "ANON-X"), [(Kind.EDITED, 7, 7)], id="subject edited"),
    pytest.param(edit("purpose", "fun"), [(Kind.EDITED, 7, 7)], id="purpose edited"),
    pytest.param(edit("detail", '{"n": 8}'), [(Kind.EDITED, 7, 7)], id="detail edited"),
    pytest.param(edit("detail", "null"), [(Kind.EDITED, 7, 7)], id="detail emptied"),
    pytest.param(edit("at", "2020-01-01 00:00:00"), [(Kind.EDITED, 7, 7)], id="time edited"),
    pytest.param(edit("version", 2), [(Kind.EDITED, 7, 7)], id="version edited"),
    pytest.param(edit("previous", "e" * 64), [(Kind.EDITED, 7, 7)], id="link edited"),
    pytest.param(edit("mac", "e" * 64), [(Kind.EDITED, 7, 7)], id="mac edited"),
    pytest.param(edit("mac", "e" * 64, LENGTH), [(Kind.EDITED, 20, 20)], id="last mac edited"),
    pytest.param(edit("actor", "mallory", 1), [(Kind.EDITED, 1, 1)], id="first edited"),
    pytest.param(edit("actor", "mallory", LENGTH), [(Kind.EDITED, 20, 20)], id="last edited"),
    pytest.param(edit_and_forge_mac, [(Kind.REPLACED, 7, 7)], id="edited with a forged mac"),
    pytest.param(lambda: delete(7, 7), [(Kind.DELETED, 7, 7)], id="one deleted"),
    pytest.param(lambda: delete(1, 3), [(Kind.DELETED, 1, 3)], id="the first ones deleted"),
    pytest.param(lambda: delete(16, 20), [(Kind.TRUNCATED, 16, 20)], id="tail cut"),
    pytest.param(lambda: delete(1, 20), [(Kind.TRUNCATED, 1, 20)], id="all deleted"),
    pytest.param(lambda: swap(5, 9), [(Kind.MOVED, 5, 5), (Kind.MOVED, 9, 9)], id="two swapped"),
    pytest.param(lambda: swap(7, 8), [(Kind.MOVED, 7, 7), (Kind.MOVED, 8, 8)], id="neighbours swapped"),
    pytest.param(lambda: insert(LENGTH + 1), [(Kind.INSERTED, 21, 21)], id="inserted at the end"),
    pytest.param(
        insert_in_the_middle,
        [(Kind.INSERTED, 8, 8), (Kind.MOVED, 9, 21)],
        id="inserted in the middle",
    ),
    pytest.param(
        delete_and_close_the_gap,
        [(Kind.DELETED, 7, 7), (Kind.MOVED, 7, 19), (Kind.TRUNCATED, 20, 20)],
        id="deleted, the gap closed",
    ),
    pytest.param(truncate_and_lower_the_head, [(Kind.HEAD_CHANGED, 15, 15)], id="tail cut, head forged"),
    pytest.param(
        insert_and_raise_the_head,
        [(Kind.HEAD_CHANGED, 21, 21), (Kind.REPLACED, 21, 21)],
        id="inserted, head forged",
    ),
    pytest.param(lambda: sql("DELETE FROM audit_head"), [(Kind.HEAD_GONE, 20, 20)], id="head deleted"),
    pytest.param(
        lambda: sql("UPDATE audit_head SET mac = %s", "e" * 64),
        [(Kind.HEAD_CHANGED, 20, 20)],
        id="head mac edited",
    ),
]


@pytest.mark.parametrize(("attack", "expected"), EVERYTHING)
def test_promise_9_tampering_is_found_and_named(attack: Callable[[], None], expected: Found) -> None:
    assert verify().ok
    attack()
    report = verify()
    assert found(report) == expected
    assert all(one.sentence.endswith(".") for one in report.findings)
    assert "tampered" in report.sentence()


def test_promise_9_an_older_head_put_back_with_its_tail_cut_contradicts_the_anchors(tmp_path: Path) -> None:
    old = Head.objects.get()
    record("identity.viewed", actor="mallory")
    anchor(tmp_path / "anchors")
    delete(LENGTH + 1, LENGTH + 1)
    sql("UPDATE audit_head SET count = %s, head = %s, mac = %s", old.count, old.head, old.mac)
    assert verify().ok  # a consistent older state: only what lies outside of the table can tell
    assert found(verify(tmp_path / "anchors")) == [(Kind.TRUNCATED, 21, 21)]


def test_promise_9_an_older_head_put_back_alone_is_found() -> None:
    old = Head.objects.get()
    record("identity.viewed", actor="mallory")
    sql("UPDATE audit_head SET count = %s, head = %s, mac = %s", old.count, old.head, old.mac)
    assert found(verify()) == [(Kind.HEAD_CHANGED, 20, 20)]


def test_promise_9_a_chain_written_anew_contradicts_the_anchors(tmp_path: Path) -> None:
    anchor(tmp_path / "anchors")
    sql("DELETE FROM audit_entry")
    sql("DELETE FROM audit_head")
    for _ in range(LENGTH):
        record("identity.viewed", actor="nobody")
    assert found(verify(tmp_path / "anchors")) == [(Kind.CONTRADICTED, 20, 20)]


def test_an_empty_table_after_a_total_wipe_contradicts_the_anchors(tmp_path: Path) -> None:
    anchor(tmp_path / "anchors")
    sql("DELETE FROM audit_entry")
    sql("DELETE FROM audit_head")
    assert found(verify(tmp_path / "anchors")) == [(Kind.TRUNCATED, 1, 20)]


@pytest.mark.parametrize("change", [lambda line: line.replace("20", "19", 1), lambda line: "nonsense\n"])
def test_an_anchor_that_was_changed_is_found(tmp_path: Path, change: Callable[[str], str]) -> None:
    file = tmp_path / "anchors"
    anchor(file)
    file.write_text(change(file.read_text()))
    assert [one.kind for one in verify(file).findings] == [Kind.ANCHOR_CHANGED, Kind.ANCHORS_CUT]


def test_anchors_of_a_chain_that_grows_fit(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "anchors"
    for _ in range(3):
        anchor(file)
        anchor(file)
        record("identity.viewed", actor="ada")
    assert len(file.read_text().splitlines()) == 3
    assert verify(file).ok


def test_an_entry_without_readable_time_is_found() -> None:
    if connection.vendor == "postgresql":  # refuses such a value itself
        with pytest.raises(DataError), transaction.atomic():
            sql("UPDATE audit_entry SET at = 'nonsense' WHERE sequence = 7")
        return
    sql("UPDATE audit_entry SET at = 'nonsense' WHERE sequence = 7")
    assert found(verify()) == [(Kind.EDITED, 7, 7)]


def test_a_long_way_moved_is_still_found_to_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.audit.verify.SEARCHED", 3)
    monkeypatch.setattr("proxy.audit.rows.PAGE", 4)
    swap(3, 17)
    assert found(verify()) == [(Kind.MOVED, 3, 3), (Kind.MOVED, 17, 17)]


@pytest.mark.parametrize("odd", ["'seven'", "7.5"])
def test_an_entry_whose_number_is_none_is_found(odd: str) -> None:
    if connection.vendor == "postgresql":  # knows numbers only
        return
    sql(f"UPDATE audit_entry SET sequence = {odd} WHERE sequence = 7")
    assert found(verify()) == [(Kind.INSERTED, 0, 0), (Kind.DELETED, 7, 7)]


@pytest.mark.parametrize("column", ["actor", "action", "subject", "purpose", "previous", "mac"])
def test_bytes_where_words_belong_are_found(column: str) -> None:
    if connection.vendor == "postgresql":  # keeps words only
        return
    sql(f"UPDATE audit_entry SET {column} = X'FF' WHERE sequence = 7")
    assert [one.first for one in verify().findings] == [7]
