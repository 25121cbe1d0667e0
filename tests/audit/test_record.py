"""Promise 9: every look leaves a mark in a keyed chain."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import transaction

from proxy.audit.actions import IDENTITY_VIEWED
from proxy.audit.models import GENESIS, Entry, Head
from proxy.audit.record import ChainBroken, Mark, record, record_all
from proxy.audit.verify import verify
from proxy.storage.keys import AUDIT, KeysMissing

pytestmark = pytest.mark.django_db


def test_promise_9_each_entry_stands_after_the_one_before() -> None:
    first = record(IDENTITY_VIEWED, actor="ada", subject="ANON-A", purpose="treatment")
    second = record(
        IDENTITY_VIEWED, actor="ada", subject="ANON-B", purpose="treatment", detail={"project": 1}
    )
    assert (first.sequence, first.previous) == (1, GENESIS)
    assert (second.sequence, second.previous) == (2, first.mac)
    assert (Head.objects.get().count, Head.objects.get().head) == (2, second.mac)
    assert verify().ok


def test_an_act_that_fails_leaves_no_mark_and_no_gap() -> None:
    record(IDENTITY_VIEWED, actor="ada")
    with pytest.raises(RuntimeError), transaction.atomic():
        record(IDENTITY_VIEWED, actor="ada")
        raise RuntimeError
    record(IDENTITY_VIEWED, actor="ada")
    assert [entry.sequence for entry in Entry.objects.all()] == [1, 2]
    assert verify().ok


def test_promise_1_without_its_key_nothing_is_recorded(keys: Path) -> None:
    (keys / AUDIT).unlink()
    with pytest.raises(KeysMissing):
        record(IDENTITY_VIEWED, actor="ada")
    assert not Entry.objects.exists()


def test_an_entry_survives_the_database_whatever_it_says() -> None:
    said = "Ünïcode \ud83d\ude00 \ud800 and a \0 nothing" + "x" * 2000
    record(
        "a" * 100, actor=said, subject=said, purpose=said, detail={said: [said, 2**60, None, True, {"a": -1}]}
    )
    assert verify().ok


def test_a_time_in_another_zone_is_the_same_time() -> None:
    record(IDENTITY_VIEWED, actor="ada", at=datetime(2026, 3, 1, 12, 0, 0, 1, UTC))
    assert verify().ok


@pytest.mark.parametrize("detail", [{"a": 1.5}, {"a": object()}, {"a": {1, 2}}, {"a": b"x"}])
def test_a_detail_that_could_come_back_changed_is_refused(detail: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        record(IDENTITY_VIEWED, actor="ada", detail=detail)


@pytest.mark.parametrize(("actor", "action"), [("", "x"), ("x", "")])
def test_an_entry_without_who_or_what_is_refused(actor: str, action: str) -> None:
    with pytest.raises(ValueError, match="who did what"):
        record(action, actor=actor)


def test_nothing_is_appended_to_a_head_that_was_tampered_with() -> None:
    record(IDENTITY_VIEWED, actor="ada")
    Head.objects.update(count=0, head=GENESIS)
    with pytest.raises(ChainBroken):
        record(IDENTITY_VIEWED, actor="ada")


def test_nothing_is_appended_when_the_head_is_gone() -> None:
    record(IDENTITY_VIEWED, actor="ada")
    Head.objects.all().delete()
    with pytest.raises(ChainBroken):
        record(IDENTITY_VIEWED, actor="ada")


def test_marks_of_one_act_stand_behind_each_other() -> None:
    record(IDENTITY_VIEWED, actor="ada")
    persons = [f"ANON-{number}" for number in range(250)]
    record_all([Mark(IDENTITY_VIEWED, "ada", one, "treatment", {"project": 1}) for one in persons])
    record(IDENTITY_VIEWED, actor="ada")
    entries = Entry.objects.order_by("sequence")
    assert [one.subject for one in entries] == ["", *persons, ""]
    assert verify().ok


def test_of_marks_of_one_act_all_are_there_or_none() -> None:
    with pytest.raises(ValueError, match="who did what"):
        record_all([Mark(IDENTITY_VIEWED, "ada"), Mark(IDENTITY_VIEWED, "")])
    record_all([])
    assert not Entry.objects.exists()
