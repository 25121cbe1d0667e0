"""Each login, each failed one and each logout leaves its mark; a name that is none of ours is nobody's."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from config import reading
from proxy.audit import actions
from proxy.audit.acting import console_user
from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.callers import caller_of
from proxy.storage.keys import KeysMissing
from proxy.web import logins
from tests.cast import NEEDLES

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery staple"


@pytest.fixture
def ada(keys: object) -> User:
    user = User.objects.create_user("ada", is_staff=True, is_superuser=True)
    user.set_password(SECRET)
    user.save()
    return user


def log_in(name: str, password: str = SECRET, **meta: str) -> Client:
    client = Client()
    client.post(reverse("admin:login"), {"username": name, "password": password, "next": "/admin/"}, **meta)  # type: ignore[arg-type]
    return client


@pytest.fixture(autouse=True)
def nobody_waits(settings: Settings) -> Iterator[None]:
    """Nor takes the time that a good password's digest takes."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    logins.failures.clear()
    yield
    logins.failures.clear()


def marks() -> list[tuple[str, str, str]]:
    rows = Entry.objects.order_by("sequence").filter(action__startswith="login.")
    return [(one.action, one.actor, one.detail.get("address", "")) for one in rows]


def test_who_comes_and_goes_is_marked(ada: User) -> None:
    client = log_in("ada")
    client.post(reverse("admin:logout"))
    assert marks() == [
        (actions.PASSWORD_SET, console_user(), ""),
        (actions.LOGGED_IN, "ada", "127.0.0.1"),
        (actions.LOGGED_OUT, "ada", "127.0.0.1"),
    ]
    assert verify().ok


def test_a_wrong_password_is_marked_under_the_name_of_ours(ada: User) -> None:
    log_in("ada", "wrong")
    assert marks()[-1] == (actions.LOGIN_FAILED, "ada", "127.0.0.1")


@pytest.mark.parametrize("typed", [SECRET, NEEDLES[0], "Ada", "nobody", "x" * 150, "a\0b"])
def test_what_is_no_name_of_ours_is_told_nowhere(ada: User, typed: str) -> None:
    log_in(typed, "wrong")
    assert all(actor in {console_user(), "somebody unknown"} for _, actor, _ in marks())
    kept = repr(list(Entry.objects.values()))
    assert typed not in kept.replace("somebody unknown", "").replace("'user ada'", "")


def test_the_right_password_of_somebody_who_may_not_come_in_is_a_failed_login(ada: User) -> None:
    User.objects.update(is_staff=False)
    log_in("ada")
    assert marks()[-1] == (actions.LOGIN_FAILED, "ada", "127.0.0.1")
    assert Entry.objects.order_by("-sequence")[0].detail["why"]


def test_the_address_is_the_one_that_counts(ada: User, settings: Settings) -> None:
    settings.API_TRUSTED_PROXIES = []
    log_in("ada", REMOTE_ADDR="10.0.0.7", HTTP_X_FORWARDED_FOR="8.8.8.8")
    assert marks()[-1][2] == caller_of({"REMOTE_ADDR": "10.0.0.7"}, [], False).address == "10.0.0.7"


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", "/\\\\evil.example", "javascript:x"]
)
def test_nobody_is_led_elsewhere(ada: User, elsewhere: str) -> None:
    words = {"username": "ada", "password": SECRET, "next": elsewhere}
    answer = Client().post(reverse("admin:login"), words)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_login_that_came_by_no_request_has_no_address(ada: User) -> None:
    assert authenticate(username="ada", password="wrong") is None
    assert marks()[-1] == (actions.LOGIN_FAILED, "ada", "")


def test_without_the_key_of_the_audit_nobody_comes_in(ada: User, keys: object, settings: Settings) -> None:
    (settings.KEY_DIR / "audit.key").unlink()
    with pytest.raises(KeysMissing):
        log_in("ada")
    client = Client(raise_request_exception=False)
    client.post(reverse("admin:login"), {"username": "ada", "password": SECRET})
    assert client.get(reverse("admin:index")).status_code == 302


def test_a_new_password_is_marked_wherever_it_is_typed(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client = log_in("ada")
    new = "another horse battery"
    page = reverse("admin:password_change")
    client.post(page, {"old_password": SECRET, "new_password1": new, "new_password2": new})
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "a third horse battery")
    call_command("changepassword", "ada", stdout=StringIO())
    said = Entry.objects.filter(action=actions.PASSWORD_SET).values_list("subject", flat=True)
    assert list(said) == ["user ada"] * 3
    kept = repr(list(Entry.objects.values()))
    assert new not in kept and SECRET not in kept


class TestWhoeverFailsOften:
    def fail(self, times: int, **meta: str) -> None:
        for _ in range(times):
            log_in("ada", "wrong", **meta)

    def is_in(self, client: Client) -> bool:
        return client.get(reverse("admin:index")).status_code == 200

    def test_waits_even_with_the_right_password_and_leaves_no_more_marks(self, ada: User) -> None:
        self.fail(logins.MOST_FAILURES)
        before = len(marks())
        answer = Client().post(reverse("admin:login"), {"username": "ada", "password": SECRET})
        assert logins.TOO_OFTEN in answer.content.decode() and len(marks()) == before
        assert not self.is_in(log_in("ada"))
        assert self.is_in(log_in("ada", REMOTE_ADDR="192.0.2.9"))

    def test_waits_no_longer_than_a_minute(self, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr(logins.failures, "_clock", lambda: now[0])
        self.fail(logins.MOST_FAILURES)
        assert not self.is_in(log_in("ada"))
        now[0] += 61
        assert self.is_in(log_in("ada"))

    def test_does_not_come_from_elsewhere_by_saying_so(self, ada: User, settings: Settings) -> None:
        settings.API_TRUSTED_PROXIES = []
        for number in range(logins.MOST_FAILURES):
            self.fail(
                1, HTTP_X_FORWARDED_FOR=f"198.51.100.{number}", HTTP_FORWARDED=f"for=198.51.100.{number}"
            )
        assert not self.is_in(log_in("ada", HTTP_X_FORWARDED_FOR="203.0.113.7"))

    def test_is_told_apart_behind_a_web_server_that_is_named(self, ada: User, settings: Settings) -> None:
        settings.API_TRUSTED_PROXIES = reading.networks("NO_SUCH_SETTING", ["127.0.0.1"])
        self.fail(logins.MOST_FAILURES, HTTP_X_FORWARDED_FOR="198.51.100.1, 203.0.113.7")
        assert not self.is_in(log_in("ada", HTTP_X_FORWARDED_FOR="203.0.113.7"))
        assert self.is_in(log_in("ada", HTTP_X_FORWARDED_FOR="203.0.113.8"))

    def test_has_a_machines_whole_household_of_addresses(self, ada: User) -> None:
        for number in range(logins.MOST_FAILURES):
            self.fail(1, REMOTE_ADDR=f"2001:db8:0:1::{number}")
        assert not self.is_in(log_in("ada", REMOTE_ADDR="2001:db8:0:1:ffff::1"))
        assert self.is_in(log_in("ada", REMOTE_ADDR="2001:db8:0:2::1"))

    def test_counts_whoever_may_not_come_in(self, ada: User) -> None:
        User.objects.update(is_staff=False)
        for _ in range(logins.MOST_FAILURES):
            log_in("ada")
        User.objects.update(is_staff=True)
        assert not self.is_in(log_in("ada"))
