"""Tokens of staff: shown once, kept as a digest, good for as long as their user is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from proxy.audit.models import Entry
from proxy.staff import tokens
from proxy.staff.models import Token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(keys: Path) -> User:
    return User.objects.create(username="ada", is_staff=True)


def test_whoever_shows_it_is_its_user(ada: User) -> None:
    row, shown = tokens.make(ada, "monitoring", LATER, "chief", NOW)
    assert shown.startswith("pst_") and len(shown) > 40
    found = tokens.whose(shown, NOW)
    assert found is not None and (found.pk, found.user) == (row.pk, ada)


def test_what_was_shown_stands_nowhere(ada: User) -> None:
    row, shown = tokens.make(ada, "monitoring", LATER, "chief", NOW)
    tokens.whose(shown, NOW)
    kept = [str(one) for one in Token.objects.values_list()] + [str(one) for one in Entry.objects.values()]
    assert not any(shown in one or shown[4:] in one for one in kept)
    assert shown not in f"{row!r} {row}"


@pytest.mark.parametrize("presented", ["", "pst_", "x" * 50, "pst_" + "x" * 500, "pst_\u00e9", "pst_ünknown"])
def test_what_is_no_token_opens_nothing(ada: User, presented: str) -> None:
    tokens.make(ada, "monitoring", LATER, "chief", NOW)
    assert tokens.whose(presented, NOW) is None


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_it_ends_with_its_user(ada: User, change: dict[str, bool]) -> None:
    _, shown = tokens.make(ada, "monitoring", LATER, "chief", NOW)
    User.objects.update(**change)
    assert tokens.whose(shown, NOW) is None


def test_it_ends_with_its_day_and_when_it_is_revoked(ada: User) -> None:
    row, shown = tokens.make(ada, "monitoring", LATER, "chief", NOW)
    assert tokens.whose(shown, LATER - timedelta(seconds=1)) and tokens.whose(shown, LATER) is None
    assert tokens.revoke(row, "chief", NOW) and not tokens.revoke(row, "chief", NOW)
    assert tokens.whose(shown, NOW) is None


def test_making_and_revoking_leave_marks_and_so_does_the_first_use_of_a_day(ada: User) -> None:
    row, shown = tokens.make(ada, "monitoring", LATER, "chief", NOW)
    for moment in (NOW, NOW + timedelta(hours=1), NOW + timedelta(days=1)):
        assert tokens.whose(shown, moment)
    tokens.revoke(row, "chief", NOW)
    rows = Entry.objects.filter(action__startswith="access.").order_by("sequence")
    marks = [(one.action, one.actor) for one in rows]
    used = ("access.token-used", "ada")
    assert marks == [("access.token-made", "chief"), used, used, ("access.token-withdrawn", "chief")]


def test_the_command_makes_lists_and_revokes(ada: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("staff_token", "make", "--for", "ada", "--name", "nagios", "--days", "10")
    shown = capsys.readouterr().out.split()[-1]
    row = Token.objects.get()
    assert tokens.whose(shown, row.made_at) == row and row.until - row.made_at == timedelta(days=10)
    call_command("staff_token", "list")
    listed = capsys.readouterr().out
    assert "nagios  for ada, until" in listed and shown not in listed
    call_command("staff_token", "revoke", str(row.pk))
    call_command("staff_token", "revoke", str(row.pk))
    assert capsys.readouterr().out.splitlines() == ["It opens nothing any more.", "It was revoked before."]


@pytest.mark.parametrize(
    "words",
    [
        ("make", "--for", "nobody", "--name", "x"),
        ("make", "--for", "ada", "--name", ""),
        ("make", "--for", "ada", "--name", "x", "--days", "0"),
        ("revoke", "99"),
    ],
)
def test_the_command_refuses_what_cannot_be(ada: User, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("staff_token", *words)
    assert not Token.objects.exists()


def test_the_page_shows_no_digest_and_revokes(ada: User) -> None:
    row, _ = tokens.make(ada, "monitoring", LATER, "chief", NOW)
    client = Client()
    client.force_login(User.objects.create(username="chief", is_staff=True, is_superuser=True))
    page = reverse("admin:staff_token_changelist")
    for address in (page, reverse("admin:staff_token_change", args=[row.pk])):
        answer = client.get(address)
        assert answer.status_code == 200 and row.digest not in answer.content.decode()
    said = client.post(page, {"action": "revoke", "_selected_action": [row.pk], "comment": ""}, follow=True)
    assert "1 revoked" in said.content.decode()
    assert (
        Token.objects.get().revoked_at and Entry.objects.latest("sequence").action == "access.token-withdrawn"
    )
