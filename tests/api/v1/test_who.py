"""Who may come in at which door of `/v1`: a table of all doors is walked, so that a new one cannot be forgotten."""

import json
import re
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from proxy.api.description import document
from proxy.audit.models import Entry
from proxy.staff.models import Token
from tests.api.v1.conftest import staff
from tests.scene import Scene

Door = tuple[str, str]
STAFF: Final[dict[str, list[str]]] = {"staff": []}


def doors() -> list[Door]:
    """All doors of `/v1` that staff may open, by method and path; 1 stands for any number."""
    return [
        (method, re.sub(r"\{\w+\}", "1", path))
        for path, said in document()["paths"].items()
        for method, door in said.items()
        if path.startswith("/v1/") and STAFF in door.get("security", [])
    ]


OURS = {
    "/v1/studies", "/v1/studies/1", "/v1/studies/1/revisions", "/v1/deliveries", "/v1/deliveries/1",
    "/v1/deliveries/1/retry", "/v1/deliveries/1/drop", "/v1/quarantine", "/v1/quarantine/1",
    "/v1/quarantine/1/release", "/v1/quarantine/1/discard", "/v1/nodes", "/v1/nodes/1", "/v1/nodes/1/echo",
    "/v1/persons/reidentify", "/v1/persons/forget", "/v1/persons/merge", "/v1/persons/correct",
    "/v1/studies/1/hold", "/v1/studies/1/free", "/v1/studies/1/revisions/1/approve",
    "/v1/studies/1/revisions/1/reject", "/v1/studies/1/revisions/1/reconsider", "/v1/audit", "/v1/audit/verify",
}  # fmt: skip


WHOM = {"pseudonym": "ANON-A", "purpose": "recall of trial 7"}
PERSONS: dict[str, dict[str, str]] = {
    "/v1/persons/reidentify": WHOM,
    "/v1/persons/forget": WHOM,
    "/v1/persons/merge": {**WHOM, "into": "ANON-B"},
    "/v1/persons/correct": {**WHOM, "patient_id": "7"},
}


def ask(client: Client, door: Door, body: Any = None) -> Any:
    method, path = door
    if method == "get":
        return client.get(path)
    return client.generic(method.upper(), path, body or "{}", content_type="application/json")


def test_the_table_has_all_doors() -> None:
    assert {path for _, path in doors()} >= OURS


def test_nobody_comes_in_without_saying_who_they_are(db: None) -> None:
    client = Client()
    for door in doors():
        answer = ask(client, door)
        assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), door
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_staff_without_a_permission_are_refused(scene: Scene) -> None:
    client = staff()
    for door in doors():
        answer = ask(client, door, json.dumps(PERSONS.get(door[1], {})))
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), door


def test_a_session_of_somebody_who_is_no_staff_opens_nothing(scene: Scene) -> None:
    client = Client()
    client.force_login(User.objects.create(username="patient", is_superuser=True))
    assert {ask(client, door).status_code for door in doors()} == {401}


def test_no_other_site_acts_in_the_name_of_a_session(scene: Scene) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="chief", is_superuser=True, is_staff=True))
    for door in doors():
        if door[0] != "get":
            answer = ask(client, door)
            assert (answer.status_code, answer.json()["code"]) == (403, "no-csrf-token"), door


def test_a_session_looks_and_with_its_csrf_token_decides(scene: Scene) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="chief", is_superuser=True, is_staff=True))
    assert client.get("/v1/deliveries").status_code == 200
    client.get("/admin/logout/")
    client.get("/admin/auth/user/add/")
    shown = client.cookies["csrftoken"].value
    path = f"/v1/deliveries/{scene.delivery.pk}/drop"
    answer = client.post(path, "{}", content_type="application/json", headers={"X-CSRFToken": shown})
    assert (answer.status_code, answer.json()["state"]) == (200, "dropped")
    assert Entry.objects.latest("sequence").actor == "chief"


@pytest.mark.parametrize(
    "change",
    [{"revoked_at": timezone.now()}, {"until": timezone.now() - timedelta(days=1)}],
)
def test_a_token_that_is_over_opens_nothing(scene: Scene, change: dict[str, Any]) -> None:
    client = staff("*")
    assert client.get("/v1/studies").status_code == 200
    Token.objects.update(**change)
    assert client.get("/v1/studies").status_code == 401


@pytest.mark.parametrize(
    "said", ["Bearer", "Bearer x", "Basic YWRhOmFkYQ==", "pst_x", "Bearer pst_" + "x" * 9_000, "Bearer pst_é"]
)
def test_what_is_no_token_is_refused_and_after_ten_one_waits(scene: Scene, said: str) -> None:
    client = Client(headers={"Authorization": said})
    codes = [client.get("/v1/studies").status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


def test_a_backends_token_opens_no_door_of_v1(scene: Scene) -> None:
    """Nobody is asked whose it is: what does not begin as ours is not ours."""
    client = Client(headers={"Authorization": "Bearer eyJhbGciOi.eyJzdWIiOjE3fQ.c2ln"})
    assert client.get("/v1/studies").status_code == 401


def test_where_no_door_is_a_program_hears_so(db: None) -> None:
    for path in ("/v1", "/v1/", "/v1/nothing", "/v1/studies/x", "/v1/studies/" + "9" * 19):
        answer = Client().get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
