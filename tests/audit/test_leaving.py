"""Old entries leave after an export; the chain proves the rest, and with the export all of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection

from proxy.audit import anchors, guard, leaving, rows
from proxy.audit.actions import CHAIN_CONTINUED, LET_GO
from proxy.audit.anchors import anchor
from proxy.audit.chain import anchor_mac
from proxy.audit.findings import Kind
from proxy.audit.keyfile import audit_key
from proxy.audit.leaving import Left, NotExported, let_go
from proxy.audit.mend import carry_on
from proxy.audit.models import Entry
from proxy.audit.record import ChainBroken, record
from proxy.audit.verify import Report, verify
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 20


@pytest.fixture(autouse=True)
def chain() -> None:
    """An entry a day."""
    for day in range(DAYS):
        record("identity.viewed", actor="ada", subject=f"ANON-{day}", detail={"n": day}, at=START + day * ONE)


ONE = timedelta(days=1)


def go(folder: Path, day: int = 10) -> Left:
    """What is older than this day."""
    return let_go(folder, START + day * ONE, "ada")


def found(report: Report) -> list[tuple[Kind, int, int]]:
    return [(one.kind, one.first, one.last) for one in report.findings]


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_what_is_old_goes_and_the_rest_is_whole(tmp_path: Path) -> None:
    left = go(tmp_path)
    assert (left.up_to, left.gone) == (10, 10)
    assert list(Entry.objects.values_list("sequence", flat=True)) == [*range(11, DAYS + 2)]
    mark = Entry.objects.get(action=LET_GO)
    assert (
        mark.actor == "ada"
        and mark.detail["up_to"] == 10
        and left.file
        and mark.detail["file"] == left.file.name
    )
    report = verify()
    assert report.ok and (report.gone, report.count) == (10, 11)
    assert "first 10 were let go" in report.sentence()
    assert not guard.missing(connection), "the triggers are back"


@pytest.mark.parametrize("day", [7, 10, 20])
def test_what_leaves_while_it_is_verified_was_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: int
) -> None:
    """The first page is read when the entries of it and of the next ones go."""
    monkeypatch.setattr(rows, "PAGE", 4)
    real, pages = rows.Table.page, iter(range(100))

    def page(table: rows.Table, after: int) -> list[rows.Row]:
        if next(pages) == 1:
            anchor(tmp_path / "anchors")
            go(tmp_path, day)
        return real(table, after)

    for count in (2, 6, 9, 13):
        _anchor_at(tmp_path / "anchors", count)
    monkeypatch.setattr(rows.Table, "page", page)
    monkeypatch.setattr(leaving, "_must_be_whole", lambda: None)
    report = verify(tmp_path / "anchors")
    assert report.ok, report.findings
    assert next(pages) > 2


def _anchor_at(file: Path, count: int) -> None:
    head, at = Entry.objects.get(sequence=count).mac, "2026-01-01T00:00:00.000000+00:00"
    with file.open("a") as lines:
        said = {"count": count, "head": head, "at": at, "mac": anchor_mac(audit_key(), count, head, at)}
        lines.write(json.dumps(said) + "\n")


def test_what_may_have_left_and_was_deleted_among_others_is_found(tmp_path: Path) -> None:
    """Retention takes the oldest first: a hole among those that may leave is none of its own."""
    go(tmp_path)
    unguard()
    sql("DELETE FROM audit_entry WHERE sequence IN (11, 14)")
    assert found(verify()) == [(Kind.DELETED, 11, 11), (Kind.DELETED, 14, 14)]


def test_a_hole_between_exported_files_is_found_also_where_it_left_rightly(tmp_path: Path) -> None:
    files = [left.file for left in (go(tmp_path, 5), go(tmp_path, 12)) if left.file]
    assert found(verify(exported=files[:1])) == [(Kind.DELETED, 6, 12)]


def test_with_the_exported_files_the_whole_chain_is_read(tmp_path: Path) -> None:
    files = [left.file for left in (go(tmp_path, 5), go(tmp_path, 12)) if left.file]
    report = verify(exported=files)
    assert report.ok and (report.gone, report.count) == (0, DAYS + 2)


def test_an_export_that_was_edited_is_found(tmp_path: Path) -> None:
    file = go(tmp_path).file
    assert file is not None
    file.chmod(0o600)
    file.write_text(file.read_text().replace("ANON-3", "ANON-X"))
    assert found(verify(exported=[file])) == [(Kind.EDITED, 4, 4)]


def test_an_export_with_a_line_cut_out_is_found(tmp_path: Path) -> None:
    file = go(tmp_path).file
    assert file is not None
    lines = file.read_text().splitlines(keepends=True)
    file.chmod(0o600)
    file.write_text("".join(lines[:3] + lines[4:]))
    assert found(verify(exported=[file])) == [(Kind.DELETED, 4, 4)]


@pytest.mark.parametrize("nonsense", ["{}", "[]", "nonsense", '{"sequence": 1}', "", "5", '"x"', "null"])
def test_what_is_no_export_is_said(tmp_path: Path, nonsense: str) -> None:
    (tmp_path / "other.jsonl").write_text(nonsense + "\n")
    with pytest.raises(NotExported, match="no export of audit entries"):
        verify(exported=[tmp_path / "other.jsonl"])


@pytest.mark.parametrize(
    "change",
    [{"actor": 5}, {"sequence": "1"}, {"detail": []}, {"at": "2026-01-01"}, {"at": 7}, {"mac": None}],
)
def test_an_export_of_other_kinds_of_values_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    line = json.loads(leaving.line_of(Entry.objects.get(sequence=1)))
    (tmp_path / "other.jsonl").write_text(json.dumps(line | change) + "\n")
    with pytest.raises(NotExported, match="no export of audit entries"):
        verify(exported=[tmp_path / "other.jsonl"])


def test_nothing_old_enough_is_nothing_to_do(tmp_path: Path) -> None:
    assert go(tmp_path, 0) == Left(None, 0, 0)
    assert not list(tmp_path.glob("*.jsonl")) and Entry.objects.count() == DAYS
    go(tmp_path)
    assert go(tmp_path) == Left(None, 10, 0)


def test_everything_may_be_old_and_the_mark_of_its_leaving_stays(tmp_path: Path) -> None:
    assert go(tmp_path, 100).gone == DAYS
    assert verify().ok and Entry.objects.get().action == LET_GO
    record("identity.viewed", actor="ada")
    assert verify().ok
    assert go(tmp_path, 9999).up_to == DAYS + 2, "the mark of before leaves with a mark of its own"
    assert verify().ok


def test_what_a_crash_left_standing_goes_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(leaving, "_remove", lambda up_to: 0)
        go(tmp_path)
    assert verify().ok and Entry.objects.count() == DAYS + 1
    monkeypatch.setattr(leaving, "PAGE", 3)
    leaving._remove_some(10)  # and one that was killed between two pages
    report = verify()
    assert report.ok and report.gone == 3
    assert go(tmp_path, 12) == Left(next(tmp_path.glob("audit-11-12-*")), 12, 9)
    assert verify().ok


def test_anchors_of_what_has_left_still_fit(tmp_path: Path) -> None:
    file = anchors.file()
    anchor(file)
    go(tmp_path)
    record("identity.viewed", actor="ada")
    anchor(file)
    assert verify(file).ok
    exported = list(tmp_path.glob("*.jsonl"))
    assert verify(file, exported=exported).ok


def test_what_a_restore_excused_stays_excused_when_its_entry_has_left(tmp_path: Path) -> None:
    file = anchors.file()
    for number in range(DAYS, 2 * DAYS):
        record("identity.viewed", actor="ada", detail={"n": number}, at=START + number * ONE)
    unguard()
    with time_machine.travel(START + (DAYS - 1) * ONE, tick=True):
        anchor(file)  # of 40 entries
        sql(f"DELETE FROM audit_entry WHERE sequence > {DAYS}")
        sql("DELETE FROM audit_head")
        mark = carry_on(actor="ada", purpose="put back", anchored=file)
    for number in range(DAYS, 3 * DAYS):
        record("identity.viewed", actor="ada", detail={"n": number}, at=START + number * ONE)
    assert verify(file).ok
    assert mark.sequence < go(tmp_path, DAYS + 5).up_to < 2 * DAYS
    assert not Entry.objects.filter(action=CHAIN_CONTINUED).exists() and verify(file).ok
    assert mark.sequence < go(tmp_path, DAYS + 8).up_to < 2 * DAYS
    assert verify(file).ok, "handed on from one retention to the next"


class TestWhoeverDeletesMore:
    """Somebody who owns the table tries to pass for retention."""

    @pytest.fixture(autouse=True)
    def after_retention(self, chain: None, tmp_path: Path) -> None:
        go(tmp_path)
        unguard()

    def test_than_the_mark_says_is_found(self) -> None:
        sql("DELETE FROM audit_entry WHERE sequence <= 13")
        assert found(verify()) == [(Kind.DELETED, 11, 13)]

    def test_and_raises_what_the_mark_says_is_found(self) -> None:
        head = Entry.objects.get(sequence=13).mac
        sql("DELETE FROM audit_entry WHERE sequence <= 13")
        detail = json.dumps({**Entry.objects.get(action=LET_GO).detail, "up_to": 13, "head": head})
        sql(f"UPDATE audit_entry SET detail = '{detail}' WHERE action = '{LET_GO}'")
        assert (Kind.DELETED, 1, 13) in found(verify()) and (Kind.EDITED, 21, 21) in found(verify())

    def test_and_makes_a_mark_of_their_own_is_found(self) -> None:
        sql("DELETE FROM audit_entry WHERE sequence <= 13")
        sql(f"UPDATE audit_entry SET action = '{LET_GO}' WHERE sequence = 20")
        assert {(Kind.DELETED, 11, 13), (Kind.EDITED, 20, 20)} <= set(found(verify()))

    def test_and_the_mark_too_is_found(self) -> None:
        sql(f"DELETE FROM audit_entry WHERE action = '{LET_GO}'")
        assert {(Kind.DELETED, 1, 10), (Kind.TRUNCATED, 21, 21)} <= set(found(verify()))

    def test_and_puts_another_entry_before_what_stayed_is_found(self) -> None:
        sql("UPDATE audit_entry SET previous = mac WHERE sequence = 11")
        assert found(verify()) == [(Kind.EDITED, 11, 11)]


def test_promise_9_what_anchors_contradict_stays_as_it_is(tmp_path: Path) -> None:
    """Whoever holds the key and the table can write the chain anew, and not what anchors saw."""
    anchor(anchors.file())
    unguard()
    sql("DELETE FROM audit_entry WHERE sequence > 15")
    sql("DELETE FROM audit_head")
    carry_on(actor="mallory", purpose="none")
    with pytest.raises(ChainBroken, match="tampered"):
        go(tmp_path)
    assert Entry.objects.count() == 16 and not list(tmp_path.glob("*.jsonl"))


def test_a_chain_that_was_tampered_with_stays_as_it_is(tmp_path: Path) -> None:
    unguard()
    sql("UPDATE audit_entry SET actor = 'mallory' WHERE sequence = 3")
    with pytest.raises(ChainBroken, match="tampered"):
        go(tmp_path)
    assert Entry.objects.count() == DAYS and not list(tmp_path.glob("*.jsonl"))
