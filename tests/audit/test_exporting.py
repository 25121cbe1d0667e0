"""Entries leave the house as JSON, CSV and DICOM messages, and that leaves a mark."""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from proxy.audit import exporting
from proxy.audit.actions import EXPORTED
from proxy.audit.models import Entry
from proxy.audit.record import record
from proxy.audit.verify import verify
from tests.audit.schema import check

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    for day in range(10):
        at = START + timedelta(days=day)
        record(
            "identity.viewed", actor="=ada", subject=f"ANON-{day}", purpose="a\nb", detail={"n": day}, at=at
        )


def exported(*words: str) -> str:
    said = StringIO()
    call_command("audit_export", *words, stdout=said)
    return said.getvalue()


def test_json_is_all_that_proves_the_entries(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    exported("--to", str(file))
    assert len(file.read_text().splitlines()) == Entry.objects.count(), "and the mark of this"
    assert file.stat().st_mode & 0o077 == 0
    assert verify(exported=[file]).ok
    with pytest.raises(CommandError, match="cannot be written"):
        exported("--to", str(file))


def test_csv_holds_no_formula() -> None:
    rows = list(csv.DictReader(StringIO(exported("--format", "csv", "--until", "2026-01-05"))))
    assert [row["subject"] for row in rows] == [f"ANON-{n}" for n in range(4)]
    assert {row["actor"] for row in rows} == {"'=ada"} and json.loads(rows[2]["detail"]) == {"n": 2}


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_whatever_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(begins: str) -> None:
    record("identity.viewed", actor="ada", subject=f"{begins}1+1")
    [row] = csv.DictReader(
        StringIO("".join(exporting.as_csv([Entry.objects.latest("sequence")])), newline="")
    )
    assert row["subject"] == f"'{begins}1+1"


def test_dicom_messages_stand_one_in_a_line() -> None:
    lines = exported("--format", "dicom", "--since", "2026-01-03", "--until", "2026-01-05").splitlines()
    assert len(lines) == 2
    for line in lines:
        check(ElementTree.fromstring(line))


def test_reading_the_audit_leaves_a_mark() -> None:
    exported("--since", "2026-01-03", "--format", "csv")
    mark = Entry.objects.get(action=EXPORTED)
    assert mark.actor.endswith("(console)") and mark.detail["format"] == "csv"
    assert mark.detail["since"].startswith("2026-01-03") and verify().ok


@pytest.mark.parametrize("odd", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00"])
def test_a_time_that_is_none_is_said(odd: str) -> None:
    with pytest.raises(CommandError, match="such as 2026-01-15"):
        exported("--since", odd)
    assert not Entry.objects.filter(action=EXPORTED).exists()


class TestTheAdmin:
    @pytest.fixture
    def chief(self) -> Client:
        client = Client()
        client.force_login(User.objects.create(username="chief", is_staff=True, is_superuser=True))
        return client

    @pytest.mark.parametrize("kind", ["csv", "json", "dicom"])
    def test_what_is_chosen_is_handed_out_and_marked(self, chief: Client, kind: str) -> None:
        chosen = list(Entry.objects.filter(sequence__lte=4).values_list("pk", flat=True))
        page = reverse("admin:audit_entry_changelist")
        answer = chief.post(
            page, {"action": kind, "_selected_action": chosen, "comment": "the officer asked"}
        )
        lines = answer.getvalue().decode().strip().splitlines()
        assert (
            answer["Content-Disposition"].startswith("attachment") and "no-store" in answer["Cache-Control"]
        )
        assert "ANON-3" in "".join(lines) or kind == "dicom"
        mark = Entry.objects.get(action=EXPORTED)
        assert (mark.actor, mark.purpose, mark.detail) == ("chief", "the officer asked", {"format": kind})

    def test_who_may_not_see_entries_gets_none(self) -> None:
        client = Client()
        client.force_login(User.objects.create(username="other", is_staff=True))
        chosen = list(Entry.objects.values_list("pk", flat=True))
        page = reverse("admin:audit_entry_changelist")
        answer = client.post(page, {"action": "json", "_selected_action": chosen})
        assert answer.status_code == 403 and not Entry.objects.filter(action=EXPORTED).exists()
