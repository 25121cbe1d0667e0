"""Who may do what is configuration: whoever changes it, by whichever way, leaves a mark, or changes nothing."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from proxy.audit.acting import acting
from proxy.audit.actions import CONFIGURATION_CHANGED, PASSWORD_SET
from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.storage import keys as key_files
from proxy.storage.keys import KeysMissing

pytestmark = pytest.mark.django_db(transaction=True)
PERSON = "Ada@Example.org"


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, settings: Settings) -> Path:
    settings.KEY_DIR = tmp_path / "keys"
    key_files.ensure(settings.KEY_DIR)
    return Path(settings.KEY_DIR)


@pytest.fixture
def bob(keys: Path) -> User:
    return User.objects.create_user("bob", email=PERSON)


def said(after: int = 0) -> list[str]:
    rows = Entry.objects.filter(action=CONFIGURATION_CHANGED, sequence__gt=after).order_by("sequence")
    return [sentence for row in rows for sentence in row.detail["changes"]]


def permission() -> Permission:
    return Permission.objects.get(codename="view_entry")


def in_group() -> Group:
    group = Group.objects.create(name="officers")
    group.permissions.add(permission())
    return group


def changed(bob: User, only: list[str] | None = None, **values: object) -> User:
    for name, value in values.items():
        setattr(bob, name, value)
    bob.save(update_fields=only)
    return bob


CHANGES: dict[str, tuple[Callable[[User], object], list[str]]] = {
    "made": (lambda bob: User.objects.create_user("eve"), ["user eve created"]),
    "made mighty": (
        lambda bob: User.objects.create_superuser("eve"),
        ["user eve created, who may do everything"],
    ),
    "raised": (
        lambda bob: changed(bob, is_superuser=True),
        ["user bob updated: is_superuser on"],
    ),
    "barred": (
        lambda bob: changed(bob, is_active=False),
        ["user bob updated: is_active off"],
    ),
    "renamed": (lambda bob: changed(bob, username="rob"), ["user rob updated: username"]),
    "given mail": (lambda bob: changed(bob, email=""), ["user bob updated: email"]),
    "raised alone": (
        lambda bob: changed(bob, ["is_staff"], is_staff=True),
        ["user bob updated: is_staff on"],
    ),
    "given a right": (
        lambda bob: bob.user_permissions.add(permission()),
        ["user bob permissions added: audit.view_entry"],
    ),
    "given it from the other side": (
        lambda bob: permission().user_set.set([bob]),
        ["user bob permissions added: audit.view_entry"],
    ),
    "given a group": (
        lambda bob: bob.groups.set([in_group()]),
        [
            "group officers created",
            "group officers permissions added: audit.view_entry",
            "user bob groups added: officers",
        ],
    ),
    "put into a group": (
        lambda bob: in_group().user_set.set([bob]),
        [
            "group officers created",
            "group officers permissions added: audit.view_entry",
            "user bob groups added: officers",
        ],
    ),
    "the same again": (lambda bob: changed(bob, is_staff=False), []),
    "nothing more": (lambda bob: bob.groups.set([]), []),
    "deleted": (lambda bob: bob.delete(), ["user bob deleted"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_of_who_may_do_what_leaves_its_mark(change: str, bob: User) -> None:
    act, expected = CHANGES[change]
    before = Entry.objects.count()
    with acting(lambda: "mallory"):
        act(bob)
    assert said(before) == expected
    assert set(Entry.objects.filter(sequence__gt=before).values_list("actor", flat=True)) <= {"mallory"}
    assert PERSON not in repr(list(Entry.objects.values())) and verify().ok


def test_what_is_taken_away_leaves_its_mark_too(bob: User) -> None:
    group = in_group()
    bob.groups.add(group)
    bob.user_permissions.add(permission())
    before = Entry.objects.count()
    bob.groups.remove(group)
    bob.user_permissions.clear()
    group.permissions.clear()
    group.delete()
    assert said(before) == [
        "user bob groups removed: officers",
        "user bob permissions all removed",
        "group officers permissions all removed",
        "group officers deleted",
    ]


@pytest.mark.parametrize("change", [name for name, (_, expected) in CHANGES.items() if expected])
def test_without_a_mark_nothing_changes(change: str, bob: User, keys: Path) -> None:
    act = CHANGES[change][0]
    before = _rights()
    (keys / "audit.key").unlink()
    with pytest.raises(KeysMissing):
        act(bob)
    assert _rights() == before


def _rights() -> list[object]:
    return [
        *User.objects.order_by("pk").values(),
        *Group.objects.order_by("pk").values(),
        *User.groups.through.objects.values(),
        *User.user_permissions.through.objects.values(),
    ]


def test_createsuperuser_and_changepassword_leave_a_mark_of_who_stood_at_the_console(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command("createsuperuser", "--no-input", username="root", email="", stdout=io.StringIO())
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "a third horse battery")
    call_command("changepassword", "root", stdout=io.StringIO())
    assert "user root created, who may do everything" in said()
    made = Entry.objects.filter(subject="user root").order_by("sequence")
    assert all(one.actor.endswith(" (console)") for one in made)
    assert [one.action for one in made][-1] == PASSWORD_SET
    assert "horse battery" not in repr(list(Entry.objects.values()))


def test_a_login_is_no_change_of_a_user(bob: User) -> None:
    before = Entry.objects.count()
    Client().force_login(bob)
    assert said(before) == []


def test_in_the_admin_the_mark_names_who_is_logged_in(bob: User) -> None:
    chief = User.objects.create_superuser("chief")
    client = Client()
    client.force_login(chief)
    before = Entry.objects.count()
    page = reverse("admin:auth_user_change", args=[bob.pk])
    kept = {"username": "bob", "email": PERSON, "is_active": "on", "is_staff": "on"}
    times = {
        "date_joined_0": "2026-01-01",
        "date_joined_1": "12:00:00",
        "last_login_0": "",
        "last_login_1": "",
    }
    rights = {"user_permissions": [permission().pk], "groups": []}
    assert client.post(page, {**kept, **times, **rights}).status_code == 302
    assert said(before) == ["user bob updated: is_staff on", "user bob permissions added: audit.view_entry"]
    password = reverse("admin:auth_user_password_change", args=[bob.pk])
    client.post(password, {"password1": "correct horse battery", "password2": "correct horse battery"})
    marks = list(Entry.objects.filter(sequence__gt=before).order_by("sequence"))
    assert {one.actor for one in marks} == {"chief"} and marks[-1].action == PASSWORD_SET
    group = reverse("admin:auth_group_add")
    client.post(group, {"name": "officers", "permissions": [permission().pk]})
    assert said(before)[-2:] == [
        "group officers created",
        "group officers permissions added: audit.view_entry",
    ]
