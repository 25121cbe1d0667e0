"""Anchors are written once for each length, fit a chain that was restored, and find one that was put back by hand."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command

from proxy.audit import actions, anchors
from proxy.audit.anchors import anchor
from proxy.audit.findings import Kind
from proxy.audit.mend import carry_on
from proxy.audit.models import Entry, Head, LastAnchor
from proxy.audit.record import record
from proxy.audit.verify import verify
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db
LATER = datetime(2027, 3, 28, 2, 30, tzinfo=UTC)  # when clocks go forward in Europe


@pytest.fixture
def file() -> Path:
    return anchors.file()


def grow(count: int) -> None:
    for number in range(count):
        record("identity.viewed", actor="ada", detail={"n": number})


def put_back(length: int, head: tuple[int, str, str]) -> None:
    """As a database that was copied back: an older chain, whole in itself."""
    unguard()
    Entry.objects.filter(sequence__gt=length).delete()
    Head.objects.update(count=head[0], head=head[1], mac=head[2])


def test_what_the_file_says_already_is_not_said_again(file: Path) -> None:
    assert anchor(file) is None, "there is nothing yet"
    grow(3)
    made = anchor(file)
    assert made is not None and made.count == 3 and anchor(file) is None
    assert anchors.last_anchor(file) == made and anchors.highest(file) == 3
    assert file.stat().st_mode & 0o077 == 0


def test_the_last_line_of_a_long_file_is_found(file: Path) -> None:
    grow(1)
    anchor(file)
    file.write_text(file.read_text() * 500)
    grow(1)
    made = anchor(file)
    assert made is not None and anchors.last_anchor(file) == made


@pytest.mark.parametrize("cut", [1, 9, -2])
def test_an_anchor_that_a_crash_cut_short_is_no_tampering(file: Path, cut: int) -> None:
    grow(2)
    anchor(file)
    whole = file.read_text()
    with file.open("a") as lines:
        lines.write(whole[:cut])
    assert verify(file).ok
    assert anchors.last_anchor(file) == anchors.expected(file)
    grow(1)
    made = anchor(file)
    assert verify(file).ok
    assert file.read_text().count("\n") == 2 and anchors.last_anchor(file) == made


def test_half_an_anchor_on_a_full_disk_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(2)
    anchor(file)
    whole = os.write
    grow(1)
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, data: whole(handle, data[:40]))
        with pytest.raises(OSError, match="no room"):
            anchor(file)
    assert verify(file).ok
    made = anchor(file)
    assert verify(file).ok and anchors.last_anchor(file) == made


def test_an_anchor_without_its_line_end_stays(file: Path) -> None:
    """As a file that was copied by hand."""
    for _ in range(2):
        grow(2)
        anchor(file)
    file.write_text(file.read_text().removesuffix("\n"))
    assert verify(file).ok
    grow(1)
    anchor(file)
    assert verify(file).ok and file.read_text().count("\n") == 3


def test_promise_9_the_last_anchor_made_unreadable_is_found(file: Path) -> None:
    for _ in range(2):
        grow(2)
        anchor(file)
    file.write_text(file.read_text()[:-20])
    for _ in range(2):
        assert [one.kind for one in verify(file).findings] == [Kind.ANCHORS_CUT]
        grow(1)
        anchor(file)


def test_a_chain_put_back_by_hand_is_found_until_a_person_carries_on(file: Path) -> None:
    grow(5)
    [old] = Head.objects.values_list("count", "head", "mac")
    grow(5)
    anchor(file)
    put_back(5, old)
    assert [(one.kind, one.first, one.last) for one in verify(file).findings] == [(Kind.TRUNCATED, 6, 10)]
    made = carry_on(actor="officer", purpose="restored by hand", anchored=file)
    last = anchors.last_anchor(file)
    assert last is not None
    assert made.detail == {"claimed": 5, "found": ["truncated"], "anchored": 10, "last_anchor": last.mac}
    grow(10)
    anchor(file)
    assert verify(file).ok


def test_what_carrying_on_excused_excuses_nothing_later(file: Path) -> None:
    grow(5)
    [old] = Head.objects.values_list("count", "head", "mac")
    grow(5)
    anchor(file)
    put_back(5, old)
    carry_on(actor="officer", purpose="restored by hand", anchored=file)
    [then] = Head.objects.values_list("count", "head", "mac")
    grow(2)
    anchor(file)
    put_back(6, then)
    assert [(one.kind, one.first, one.last) for one in verify(file).findings] == [(Kind.TRUNCATED, 7, 8)]


def test_a_clock_that_is_behind_when_a_person_carries_on_changes_nothing(file: Path) -> None:
    """What was anchored before stands before it in the file, whatever time it says."""
    with time_machine.travel(LATER, tick=False):
        grow(5)
        [old] = Head.objects.values_list("count", "head", "mac")
        grow(5)
        anchor(file)
    with time_machine.travel(LATER - timedelta(days=400), tick=False):
        put_back(5, old)
        carry_on(actor="officer", purpose="restored by hand", anchored=file)
        [then] = Head.objects.values_list("count", "head", "mac")
        assert verify(file).ok
        grow(2)
        anchor(file)
        assert verify(file).ok
        put_back(6, then)
        assert [(one.kind, one.first, one.last) for one in verify(file).findings] == [(Kind.TRUNCATED, 7, 8)]


@pytest.mark.parametrize("jump", [-timedelta(days=400), -timedelta(hours=1), timedelta(days=400)])
def test_a_clock_that_jumps_is_no_tampering(file: Path, jump: timedelta) -> None:
    for moment in (LATER, LATER + jump, LATER):
        with time_machine.travel(moment, tick=False):
            grow(2)
            anchor(file)
            assert verify(file).ok


def test_the_last_anchor_copied_to_the_end_excuses_nothing_more(file: Path) -> None:
    grow(5)
    [old] = Head.objects.values_list("count", "head", "mac")
    grow(5)
    anchor(file)
    known = file.read_text()
    put_back(5, old)
    carry_on(actor="officer", purpose="restored by hand", anchored=file)
    [then] = Head.objects.values_list("count", "head", "mac")
    grow(2)
    anchor(file)
    put_back(6, then)
    file.write_text(file.read_text() + known)
    assert [(one.kind, one.first, one.last) for one in verify(file).findings] == [(Kind.TRUNCATED, 7, 10)]


def test_the_mark_of_a_restore_excuses_what_was_lost_with_it(file: Path) -> None:
    grow(5)
    [old] = Head.objects.values_list("count", "head", "mac")
    grow(5)
    anchor(file)
    put_back(5, old)
    record(actions.RESTORED, actor="ada", detail={"anchored": anchors.highest(file)})
    assert verify(file).ok


def test_the_mark_of_a_restore_excuses_nothing_of_what_stands_before_it(file: Path) -> None:
    """Whoever writes the chain anew and ends it with such a mark is contradicted by the anchors of what was before."""
    grow(5)
    anchor(file)
    unguard()
    Entry.objects.all().delete()
    Head.objects.all().delete()
    grow(7)
    record(actions.RESTORED, actor="mallory", detail={"anchored": 20})
    assert [(one.kind, one.first) for one in verify(file).findings] == [(Kind.CONTRADICTED, 5)]


def cut(file: Path) -> None:
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


FILES: dict[str, Callable[[Path], object]] = {
    "its last line cut": cut,
    "emptied": lambda file: file.write_text(""),
    "removed": lambda file: file.unlink(),
    "replaced by a folder": folder,
}


@pytest.mark.parametrize("change", FILES)
def test_a_file_that_was_cut_is_found_until_a_person_carries_on(file: Path, change: str) -> None:
    for _ in range(3):
        grow(2)
        anchor(file)
    assert verify(file).ok
    FILES[change](file)
    assert [(one.kind, one.first) for one in verify(file).findings] == [(Kind.ANCHORS_CUT, 6)]
    if file.is_dir():
        file.rmdir()
    grow(1)
    assert anchor(file) is not None, "it is written on"
    assert [(one.kind, one.first) for one in verify(file).findings] == [(Kind.ANCHORS_CUT, 6)]
    carry_on(actor="officer", purpose="the volume was lost", anchored=file)
    anchor(file)
    assert verify(file).ok
    file.unlink()
    assert [one.kind for one in verify(file).findings] == [Kind.ANCHORS_CUT]


def test_an_older_copy_of_the_file_is_found(file: Path) -> None:
    grow(2)
    anchor(file)
    older = file.read_text()
    grow(2)
    anchor(file)
    file.write_text(older)
    assert [(one.kind, one.first) for one in verify(file).findings] == [(Kind.ANCHORS_CUT, 4)]


def test_a_chain_put_back_with_its_anchors_removed_is_found(file: Path) -> None:
    """The older database still knows an anchor."""
    grow(3)
    anchor(file)
    [old] = Head.objects.values_list("count", "head", "mac")
    row = LastAnchor.objects.values().get()
    grow(5)
    anchor(file)
    put_back(3, old)
    LastAnchor.objects.update(**row)
    file.unlink()
    assert [(one.kind, one.first) for one in verify(file).findings] == [(Kind.ANCHORS_CUT, 3)]


def test_a_file_that_is_ahead_of_the_database_is_whole(file: Path) -> None:
    """A crash between the two."""
    grow(2)
    anchor(file)
    before = LastAnchor.objects.values().get()
    grow(2)
    anchor(file)
    LastAnchor.objects.update(**before)
    assert verify(file).ok
    grow(1)
    made = anchor(file)
    assert verify(file).ok and made is not None and LastAnchor.objects.get().mac == made.mac


def test_what_the_database_says_of_the_file_is_believed_under_its_mac_alone(file: Path) -> None:
    grow(2)
    anchor(file)
    LastAnchor.objects.update(count=1)
    assert [one.kind for one in verify(file).findings] == [Kind.ANCHOR_CHANGED]


def test_each_file_is_held_against_its_own(file: Path, tmp_path: Path) -> None:
    for one in (file, tmp_path / "elsewhere"):
        grow(1)
        anchor(one)
        assert verify(one).ok
    assert verify(file).ok and LastAnchor.objects.count() == 2


def test_verify_audit_reads_the_anchors_by_itself(file: Path) -> None:
    grow(3)
    anchor(file)
    unguard()
    Entry.objects.all().delete()
    Head.objects.all().delete()
    with pytest.raises(SystemExit):
        call_command("verify_audit")
