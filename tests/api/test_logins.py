"""Who comes in by the API is marked once a shift; what is refused is marked without what was shown."""

import pytest
from django.conf import LazySettings
from django.test import Client

from proxy.api import logins
from proxy.audit import actions
from proxy.audit.models import Entry
from tests.api.conftest import ACTOR, TOKEN, Clinic
from tests.backend.platform import KEY


@pytest.fixture(autouse=True)
def nobody_yet() -> None:
    logins.forget()


def marks() -> list[tuple[str, str, str]]:
    rows = Entry.objects.order_by("sequence").filter(action__startswith="login.")
    assert all(one.detail["door"] == "api" for one in rows)
    return [(one.action, one.actor, one.detail["address"]) for one in rows]


def ask(headers: dict[str, str], address: str = "127.0.0.1") -> int:
    return Client(REMOTE_ADDR=address).get("/api/status/", headers=headers).status_code


def test_a_user_is_marked_once_for_an_address(clinic: Clinic) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert [ask(bearer), ask(bearer), ask(bearer, "::1")] == [200] * 3
    assert marks() == [(actions.LOGGED_IN, ACTOR, "127.0.0.1"), (actions.LOGGED_IN, ACTOR, "::1")]


def test_the_backends_use_of_its_key_is_marked(clinic: Clinic) -> None:
    assert [ask({"X-Proxy-Key": KEY}), ask({"X-Proxy-Key": KEY})] == [200, 200]
    assert marks() == [(actions.LOGGED_IN, "the backend", "127.0.0.1")]


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer not-a-token"}, {"X-Proxy-Key": "not-a-key"}])
def test_what_is_refused_is_marked_without_what_was_shown(clinic: Clinic, headers: dict[str, str]) -> None:
    assert ask(headers) == 401
    assert marks() == [(actions.LOGIN_FAILED, "somebody unknown", "127.0.0.1")]
    assert "not-a" not in repr(list(Entry.objects.values()))


def test_who_knocks_too_often_makes_no_more_marks(clinic: Clinic) -> None:
    answers = [ask({"X-Proxy-Key": "wrong"}) for _ in range(15)]
    assert answers.count(401) == 10 and answers.count(429) == 5 and len(marks()) == 10


def test_without_the_key_of_the_audit_nobody_comes_in(clinic: Clinic, settings: LazySettings) -> None:
    (settings.KEY_DIR / "audit.key").unlink()
    assert ask({"X-Proxy-Key": KEY}) == 503
