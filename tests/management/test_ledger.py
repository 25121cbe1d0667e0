"""`ledger` by destination, day and study."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from proxy.deliveries.models import Delivery
from proxy.studies.models import Revision
from tests.deliveries.builders import a_folder, a_revision, opened

pytestmark = pytest.mark.django_db


def run(*words: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("ledger", *words, stdout=out, stderr=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


@pytest.fixture(autouse=True)
def two_days(monkeypatch: pytest.MonkeyPatch) -> list[Revision]:
    """One study forty days ago, one yesterday; both on their way."""
    monkeypatch.setattr("proxy.management.commands.ledger.prepare", lambda: None)
    outbox = a_folder()
    made = []
    for study, back in ((1, 40), (2, 1)):
        revision = a_revision(study, study + 1, destinations=(outbox,))
        opened(revision, outbox)
        at = datetime.now(UTC) - timedelta(days=back)
        Revision.objects.filter(pk=revision.pk).update(opened_at=at)
        made.append(revision)
    return made


def test_without_words_it_counts_everything_by_destination() -> None:
    said, code = run("--json")
    [line] = json.loads(said)
    assert (code, line["destination"], line["received"], line["difference"]) == (0, "outbox", 5, 0)
    assert run("--anew", "--json")[0] == said


def test_days_go_back_a_month_unless_one_says_more() -> None:
    assert [line["received"] for line in json.loads(run("--by", "day", "--json")[0])] == [3]
    since = (datetime.now(UTC) - timedelta(days=60)).date().isoformat()
    lines = json.loads(run("--by", "day", "--since", since, "--json")[0])
    assert [line["received"] for line in lines] == [2, 3]
    assert json.loads(run("--by", "day", "--since", since, "--anew", "--json")[0]) == lines
    assert [set(line) >= {"day", "destination", "in_flight"} for line in lines] == [True, True]


def test_studies_are_named_by_their_pseudonymous_uid() -> None:
    said, code = run("--by", "study")
    header, line = said.strip().splitlines()
    assert code == 0
    assert header.split()[:2] == ["study", "destination"]
    assert line.split()[:3] == ["2.25.4711.2", "outbox", "3"]


def test_only_what_is_off_is_shown_if_one_asks_and_ends_with_1__promise_4() -> None:
    assert run("--by", "study", "--off", "--json") == ("[]\n", 0)
    Delivery.objects.filter(revision__study__uid="2.25.4711.2").update(total=7)
    said, code = run("--by", "study", "--off")
    assert code == 1
    assert "2.25.4711.2" in said and "do not balance" in said
    assert run("--off", "--json")[1] == 1


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--since", "2026-13-01"), ("--by", "patient")])
def test_what_cannot_be_read_is_refused(words: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        run(*words)
