"""Who asks: a token that the backend confirms, its own key, and nobody else. Bad input first."""

import logging
import threading
from datetime import timedelta

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from proxy.api import authentication, confirming
from proxy.backend.models import Standing
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from tests.api.conftest import ACTOR, RADIOLOGIST, TOKEN, Clinic
from tests.backend.platform import KEY, Answer
from tests.cluster import free_port
from tests.scene import NOW

PATH = "/api/v1/workspaces/w1/proxies/p1"


def status(headers: dict[str, str], client: Client | None = None) -> tuple[int, str]:
    answer = (client or Client()).get("/api/status/", headers=headers)
    assert TOKEN not in answer.content.decode() and KEY not in answer.content.decode()
    return answer.status_code, answer.json().get("code", "")


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_user_whom_the_backend_knows_comes_in(clinic: Clinic) -> None:
    answer = Client().get("/api/status/", headers=bearer())
    assert answer.status_code == 200
    assert answer.json()["user"] == {
        "user_id": "17", "name": "rad@ward.example", "roles": ["radiologist"], "identity_projects": 0,
    }  # fmt: skip
    assert answer.json()["database"] == {"sessions": 2, "scans": 4}
    assert answer.json()["proxy"]["workspace_id"] == "w1" and answer["Cache-Control"] == "no-store"


def test_status_names_no_person(clinic: Clinic) -> None:
    text = Client().get("/api/status/", headers=bearer()).content.decode()
    assert clinic.pseudonym not in text and clinic.study.uid not in text


def test_the_backend_itself_comes_in_by_the_key_that_we_show_it(clinic: Clinic) -> None:
    answer = Client().get("/api/status/", headers={"X-Proxy-Key": KEY})
    assert answer.status_code == 200 and answer.json()["user"] is None
    assert status({"X-Proxy-Key": "wrong"}) == (401, "not-authenticated")


def test_who_says_nothing_hears_how_to_say_it(clinic: Clinic) -> None:
    answer = Client().get("/api/status/")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="postern"')


@pytest.mark.parametrize(
    "said",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer ä",
        "Bearer a\x00",
        "Basic YTpi",
        f"Token {TOKEN}",
        f"{TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer " + "x" * 8_001,
        "Bearer somebodys-else",
    ],
)
def test_what_is_no_token_is_refused_and_quoted_nowhere(
    clinic: Clinic, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    with caplog.at_level(logging.INFO):
        answer = Client().get("/api/status/", headers={"Authorization": said})
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert "invalid_token" in answer["WWW-Authenticate"]
    secret = said.removeprefix("Bearer").strip()
    assert not secret or (secret not in answer.content.decode() and secret not in caplog.text)


def test_a_token_in_the_address_or_a_cookie_is_none(clinic: Clinic) -> None:
    client = Client()
    client.cookies["Authorization"] = f"Bearer {TOKEN}"
    answer = client.get(f"/api/status/?access_token={TOKEN}&token={TOKEN}")
    assert answer.status_code == 401 and not clinic.asked


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(401, b"{}"), (401, "not-authenticated")),
        (Answer(403, b"{}"), (401, "not-authenticated")),
        (Answer(404, b"{}"), (401, "not-authenticated")),
        (Answer(200, b"{}"), (401, "not-authenticated")),
        (Answer(200, b'{"valid": false, "user": {"id": 17}}'), (401, "not-authenticated")),
        (Answer(200, b'{"id": "p2", "user": {"id": 17}}'), (401, "not-authenticated")),
        (Answer(403, b"<html>a firewall</html>"), (503, "not-confirmed")),
        (Answer(200, b"<html>"), (503, "not-confirmed")),
        (Answer(302, b"", headers={"Location": "/elsewhere"}), (503, "not-confirmed")),
        (Answer(500, b"Exampleova"), (503, "not-confirmed")),
        (Answer(200, b'{"user": {"id": 17}}', cut_after=5), (503, "not-confirmed")),
    ],
)
def test_what_the_backend_does_not_confirm_is_not_let_in(
    clinic: Clinic, caplog: pytest.LogCaptureFixture, answer: Answer, found: tuple[int, str]
) -> None:
    clinic.platform.answers[PATH] = answer
    assert status(bearer()) == found
    assert TOKEN not in caplog.text and "Exampleova" not in caplog.text


def test_a_backend_that_is_away_lets_nobody_in(clinic: Clinic, settings: LazySettings) -> None:
    settings.ITH_URL = f"http://127.0.0.1:{free_port()}"
    answer = Client().get("/api/status/", headers=bearer())
    assert (answer.status_code, answer.json()["code"]) == (503, "not-confirmed")
    assert int(answer["Retry-After"]) >= 1


def test_without_a_backend_there_are_no_users_and_no_key(clinic: Clinic, settings: LazySettings) -> None:
    settings.ITH_URL = settings.ITH_TOKEN = ""
    assert status(bearer()) == (503, "no-backend")
    assert status({"X-Proxy-Key": ""}) == (401, "not-authenticated")
    assert status({"X-Proxy-Key": "x"}) == (401, "not-authenticated")


def test_a_backend_that_never_said_who_we_are_confirms_nobody(clinic: Clinic) -> None:
    Standing.objects.all().delete()
    assert status(bearer()) == (503, "no-backend")


def test_the_backend_is_asked_once_in_half_a_minute_and_then_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(confirming._known, "_clock", lambda: now[0])
    for _ in range(5):
        assert status(bearer())[0] == 200
    assert len(clinic.asked) == 1
    del clinic.platform.users[TOKEN]
    assert status(bearer())[0] == 200
    now[0] += confirming.HOLDS_FOR + 1
    assert status(bearer())[0] == 401


def test_a_token_that_was_refused_is_not_remembered(clinic: Clinic) -> None:
    user = clinic.platform.users.pop(TOKEN)
    assert status(bearer())[0] == 401
    clinic.platform.users[TOKEN] = user
    assert status(bearer())[0] == 200


def test_nothing_remembered_is_a_token(clinic: Clinic) -> None:
    assert status(bearer())[0] == 200
    assert TOKEN not in repr(confirming._known._kept) and TOKEN.encode() not in confirming._known._kept


def test_whoever_makes_up_tokens_waits_and_the_backend_has_its_peace(clinic: Clinic) -> None:
    found = [status(bearer(f"made-up-{one}"))[0] for one in range(15)]
    assert found == [401] * authentication.MOST_FAILURES + [429] * 5
    assert len(clinic.asked) == authentication.MOST_FAILURES
    answer = Client().get("/api/status/", headers=bearer())
    assert answer.status_code == 429 and 50 <= int(answer["Retry-After"]) <= 60
    assert status(bearer(), Client(REMOTE_ADDR="10.0.0.9"))[0] == 200


def test_a_slow_backend_holds_only_some_threads(clinic: Clinic) -> None:
    taken = [confirming._asking.acquire(blocking=False) for _ in range(confirming.AT_ONCE)]
    try:
        assert all(taken) and status(bearer()) == (503, "busy")
    finally:
        for _ in taken:
            confirming._asking.release()
    assert status(bearer())[0] == 200


def test_a_slot_is_given_back_whatever_happens(clinic: Clinic) -> None:
    clinic.platform.answers[PATH] = Answer(500)
    for one in range(2 * confirming.AT_ONCE):
        assert status(bearer(f"{TOKEN}{one}"))[0] == 503
    assert threading.active_count() < 50 and confirming._asking._value == confirming.AT_ONCE


def test_a_user_has_one_account_whatever_addresses_they_come_from(
    clinic: Clinic, settings: LazySettings
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    found = [status(bearer(), Client(REMOTE_ADDR=f"10.0.0.{one}"))[0] for one in range(3)]
    assert found == [200, 200, 429]


def test_a_right_counts_from_the_moment_it_is_given_until_its_last_day(clinic: Clinic) -> None:
    def projects() -> int:
        return int(Client().get("/api/status/", headers=bearer()).json()["user"]["identity_projects"])

    assert projects() == 0
    clinic.lets("user", "17", days=1)
    assert projects() == 1
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        assert projects() == 0


def test_who_is_superuser_there_is_nobody_here(clinic: Clinic) -> None:
    assert RADIOLOGIST["is_superuser"] and ACTOR.startswith("backend user 17")
    answer = Client().get("/admin/", headers=bearer())
    assert answer.status_code == 302 and "login" in answer["Location"]


def test_status_counts_what_has_not_ended_and_what_is_held(clinic: Clinic) -> None:
    study = clinic.study
    revision = study.revisions.get()
    for number, state in enumerate(["waiting", "waiting", "refused", "delivered", "dropped"]):
        folder = Destination.objects.create(name=f"d{number}", kind="folder", path=f"d{number}")
        Delivery.objects.create(
            revision=revision, destination=folder, state=state, next_try_at=NOW, total=3, created_at=NOW
        )
    for number, state in enumerate(["held", "discarded"]):
        HeldItem.objects.create(
            project=clinic.project, route=revision.route, code="burned-in", reason="Text.", state=state,
            uid=f"2.25.{number}", path=f"{number}.held", size=1, held_at=NOW, transfer_syntax="1.2",
        )  # fmt: skip
    said = Client().get("/api/status/", headers=bearer()).json()
    assert said["deliveries"] == {"refused": 1, "waiting": 2} and said["quarantine"] == 1
