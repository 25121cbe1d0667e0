"""`/v1/persons`: asked in a body, for a purpose, and marked; nobody is named in an address, a log or a refusal."""

import logging
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from proxy.audit.models import Entry
from proxy.routing.models import Project
from proxy.vault.models import Approval, Person
from proxy.vault.pseudonyms import find_person, person_for
from tests.api.v1.conftest import staff
from tests.cast import ADA, BEN
from tests.scene import Scene

WHY = "recall of trial 7"
RIGHT = "AE-0007-RIGHT"
MORE = {"merge": {"into": "ANON-OTHER"}, "correct": {"patient_id": RIGHT}}
WRONG: list[dict[str, Any]] = [
    {"purpose": ""}, {"purpose": "   "}, {"purpose": None}, {"purpose": "x" * 1001}, {"purpose": ["x"]},
    {"pseudonym": ""}, {"pseudonym": "DOE^JOHN"}, {"pseudonym": 7}, {"pseudonym": ["ANON-A"]},
    {"project": ""}, {"project": None}, {"project": "x" * 65},
]  # fmt: skip


def ask(client: Client, act: str, scene: Scene, **more: Any) -> Any:
    body = {"pseudonym": scene.person.pseudonym, "purpose": WHY, **more}
    return client.post(f"/v1/persons/{act}", body, content_type="application/json")


def test_who_may_is_told_and_it_is_marked(scene: Scene) -> None:
    answer = ask(staff("vault.view_identity"), "reidentify", scene)
    assert answer.status_code == 200
    assert (answer.json()["patient_id"], answer.json()["pseudonym"]) == (ADA.id, scene.person.pseudonym)
    assert answer.json()["values"]["PatientName"] == ADA.name
    assert answer["Cache-Control"] == "no-store"
    entry = Entry.objects.latest("sequence")
    assert (entry.action, entry.actor, entry.purpose) == ("identity.viewed", "ada", WHY)


@pytest.mark.parametrize(
    ("act", "permission"),
    [
        ("reidentify", "vault.forget_person"),
        ("forget", "vault.view_identity"),
        ("merge", "vault.forget_person"),
        ("correct", "vault.forget_person"),
    ],
)
def test_each_act_needs_its_own_permission_and_a_refusal_is_marked(
    scene: Scene, act: str, permission: str
) -> None:
    answer = ask(staff(permission), act, scene, **MORE.get(act, {}))
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert Entry.objects.latest("sequence").action == "identity.refused"
    assert Person.objects.get().forgotten_at is None


def test_what_cannot_be_meant_asks_the_vault_nothing(scene: Scene) -> None:
    client = staff("*")
    for more in WRONG:
        answer = ask(client, "reidentify", scene, **more)
        assert answer.status_code == 400 and b"DOE" not in answer.content, more
    assert not Entry.objects.filter(action__startswith="identity").exists()


def test_where_others_could_read_along_nothing_is_asked(scene: Scene, settings: LazySettings) -> None:
    client = staff("*")
    body = {"pseudonym": scene.person.pseudonym, "purpose": WHY}
    far: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.9"}
    for act in ("reidentify", "forget", "merge", "correct"):
        answer = client.post(f"/v1/persons/{act}", body, content_type="application/json", **far)
        assert (answer.status_code, answer.json()["code"]) == (403, "in-clear")
    secure = client.post("/v1/persons/reidentify", body, content_type="application/json", secure=True, **far)
    assert secure.status_code == 200
    settings.API_IDENTITIES_BY_HTTP = True
    assert (
        client.post("/v1/persons/reidentify", body, content_type="application/json", **far).status_code == 200
    )


def test_where_a_second_person_is_asked_for_the_first_one_waits(scene: Scene) -> None:
    Project.objects.update(second_approver=True)
    answer = ask(staff("vault.view_identity"), "reidentify", scene)
    assert (answer.status_code, answer.json()["code"]) == (403, "approval-needed")
    assert Approval.objects.get().asker == "ada"


def test_more_persons_than_an_hour_allows_have_to_wait(scene: Scene, settings: LazySettings) -> None:
    settings.IDENTITY_PERSONS_PER_HOUR = 1
    client = staff("vault.view_identity")
    assert ask(client, "reidentify", scene).status_code == 200
    answer = ask(client, "reidentify", scene)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-persons")
    assert 3_500 < int(answer["Retry-After"]) <= 3_600


@pytest.mark.parametrize("more", [{"pseudonym": "ANON-NOBODY"}, {"project": "other"}])
def test_nobody_is_not_found(scene: Scene, more: dict[str, Any]) -> None:
    answer = ask(staff("*"), "reidentify", scene, **more)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_who_was_forgotten_is_gone_for_good(scene: Scene) -> None:
    client = staff("*")
    answer = ask(client, "forget", scene)
    assert (answer.status_code, answer.json()["pseudonym"]) == (200, scene.person.pseudonym)
    for act in ("reidentify", "forget"):
        again = ask(client, act, scene)
        assert (again.status_code, again.json()["code"]) == (410, "forgotten")
    assert Entry.objects.filter(action="person.forgotten").count() == 1


def test_two_are_merged_once(scene: Scene) -> None:
    ben = person_for(Project.objects.get().pk, "", BEN.id, {"PatientName": BEN.name}, "1.2.4").pseudonym
    client = staff("vault.correct_person")
    answer = ask(client, "merge", scene, into=ben)
    assert (answer.status_code, answer.json()) == (200, {"pseudonym": ben, "members": 2})
    for into in (ben, scene.person.pseudonym):
        again = ask(client, "merge", scene, into=into)
        assert (again.status_code, again.json()["code"]) == (409, "contradiction")
    assert ask(client, "merge", scene).status_code == 400


def test_an_id_that_was_typed_wrong_is_another(scene: Scene) -> None:
    client, project = staff("vault.correct_person"), Project.objects.get().pk
    answer = ask(client, "correct", scene, patient_id=RIGHT, issuer="HOSPITAL")
    assert (answer.status_code, answer.json()) == (200, {"pseudonym": scene.person.pseudonym})
    entry = Entry.objects.latest("sequence")
    assert (entry.action, entry.actor, entry.purpose) == ("person.corrected", "ada", WHY)
    assert RIGHT not in repr(list(Entry.objects.values()))
    found = find_person(project, "HOSPITAL", RIGHT)
    assert found is not None and found.pseudonym == scene.person.pseudonym
    assert find_person(project, "", ADA.id) != found


def test_an_id_that_is_somebodys_is_not_given_twice(scene: Scene) -> None:
    person_for(Project.objects.get().pk, "", BEN.id, {"PatientName": BEN.name}, "1.2.4")
    for given in (BEN.id, ADA.id, "UNKNOWN", "   "):
        answer = ask(staff("vault.correct_person", name=f"ada {given}"), "correct", scene, patient_id=given)
        assert (answer.status_code, answer.json()["code"]) == (409, "contradiction"), given
        assert given.strip() in ("", "UNKNOWN") or given not in answer.content.decode()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"patient_id": ""},
        {"patient_id": None},
        {"patient_id": 7},
        {"patient_id": ["A"]},
        {"patient_id": "A\0B"},
        {"patient_id": "A\\B"},
        {"patient_id": "A\nB"},
        {"patient_id": "A" * 65},
        {"patient_id": "\ud800"},
        {"patient_id": RIGHT, "issuer": None},
        {"patient_id": RIGHT, "issuer": "A\\B"},
        {"patient_id": RIGHT, "purpose": ""},
    ],
)
def test_what_is_no_id_corrects_nothing(scene: Scene, more: dict[str, Any]) -> None:
    before = Person.objects.get().blind
    answer = ask(staff("*"), "correct", scene, **more)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert Person.objects.get().blind == before and RIGHT not in answer.content.decode()


def test_no_log_names_anybody(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = staff("*")
    ask(client, "correct", scene, patient_id=RIGHT)
    for act in ("reidentify", "forget"):
        ask(client, act, scene)
    assert RIGHT not in caplog.text
    client.get(f"/v1/studies?patient={ADA.id}")
    assert ADA.id not in caplog.text and ADA.name not in caplog.text


def test_nothing_but_a_body_asks(scene: Scene) -> None:
    """An address would stand in logs and histories."""
    path, client = f"/v1/persons/reidentify?pseudonym={scene.person.pseudonym}&purpose=x", staff("*")
    for method in ("get", "put", "patch", "delete"):
        assert getattr(client, method)(path).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b'{"pseudonym": "ANON-A", "pseudonym": "ANON-B", "purpose": "x"}',
        b'{"pseudonym": "ANON-A", "purpose": "x", "more": {"a": 1, "a": 2}}',
        b'{"pseudonym": "ANON-A", "purpose": 1e999}',
        b'{"pseudonym": "ANON-A", "purpose": NaN}',
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(scene: Scene, body: bytes) -> None:
    for act in ("reidentify", "forget"):
        client = staff("*", name=act)
        answer = client.post(f"/v1/persons/{act}", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_field_that_nobody_knows_is_not_passed_over(scene: Scene) -> None:
    """An issuer that was misspelt would else be none, and somebody would get the id of another."""
    answer = ask(staff("*"), "correct", scene, patient_id=RIGHT, isuer="HOSPITAL")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown")
    assert "isuer" not in answer.content.decode()
    assert find_person(Project.objects.get().pk, "", RIGHT) is None
