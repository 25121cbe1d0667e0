"""Who is behind a pseudonym: for a right, a purpose, over a closed line, and with a mark. Bad input first."""

import json
import logging
from datetime import timedelta
from ipaddress import ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.utils import timezone

from proxy.api import confirming
from proxy.audit.models import Entry
from proxy.routing.models import Project
from proxy.studies.models import Revision, Series, Study
from proxy.vault import approvals
from proxy.vault.models import Approval, Person, Seal
from proxy.vault.remembered import forget_all
from tests.api.conftest import ACTOR, RADIOLOGIST, TOKEN, Clinic
from tests.cast import ADA, BEN, HOSPITAL, NEEDLES, REFERRER, StudyPlan

JSON = "application/json"
WHY = "recall of trial 7"
PHI = "/api/phi-metadata/"
BATCHES = [
    ("patient/batch/", "anonymous_patient_ids"),
    ("study/batch/", "study_instance_uids"),
    ("series/batch/", "series_instance_uids"),
]
SINGLES = [
    ("", "study_instance_uid"),
    ("patient/", "anonymous_patient_id"),
    ("study/", "study_instance_uid"),
    ("series/", "series_instance_uid"),
]


def ask(path: str, body: object, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"} | more.pop("headers", {})
    return Client().post(f"{PHI}{path}", body, content_type=JSON, headers=headers, **more)


def marks() -> list[tuple[str, str, str, str]]:
    rows = Entry.objects.filter(action__startswith="identity").order_by("sequence")
    return list(rows.values_list("action", "actor", "subject", "purpose"))


def names_nobody(answer: Any) -> bool:
    text = answer.content.decode() + json.dumps(dict(answer.headers))
    return not [needle for needle in NEEDLES if needle in text]


# --- what is refused ----------------------------------------------------------------------------------


STRANGE: list[object] = [
    None, "", " ", 7.5, True, [], {}, ["2.25.1"], "x" * 65, "2.25.1\n", "2.25.1\x00", "2.25.1; DROP", ADA.name, "é",
]  # fmt: skip
STRANGE_LISTS: list[object] = [
    None, "", "2.25.1", {}, [], [None], [ADA.name], ["2.25.1", {}], [str(one) for one in range(1, 102)],
]  # fmt: skip


def test_one_that_cannot_be_meant(clinic: Clinic) -> None:
    clinic.lets("user", "17")
    for (path, field), value in product(SINGLES, STRANGE):
        answer = ask(path, {field: value, "purpose": WHY})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), (path, value)
        assert [one["field"] for one in answer.json()["errors"]] == [field]
        assert names_nobody(answer)
    assert not marks()


def test_many_that_cannot_be_meant(clinic: Clinic) -> None:
    clinic.lets("user", "17")
    for (path, field), value in product(BATCHES, STRANGE_LISTS):
        answer = ask(path, {field: value, "purpose": WHY})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), (path, value)
        assert names_nobody(answer)
    assert not marks()


def test_without_a_purpose_nobody_is_looked_up(clinic: Clinic) -> None:
    clinic.lets("user", "17")
    body = {"study_instance_uid": clinic.study.uid}
    purposes: list[object] = [None, "", "   ", "x" * 1001, {}, ["why"], "a\x00"]
    for path, purpose in product(["", "study/"], purposes):
        answer = ask(path, {**body, "purpose": purpose})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "purpose")
        assert names_nobody(answer)
    answer = ask("study/", body)
    assert answer.json()["errors"] == [{"field": "purpose", "code": "required", "why": "This is missing."}]
    assert not marks()


def test_without_a_token_a_door_says_nothing(clinic: Clinic) -> None:
    clinic.lets("user", "17")
    for path, _ in SINGLES + BATCHES:
        for headers in ({}, {"X-Proxy-Key": clinic.platform.key}):
            answer = Client().post(f"{PHI}{path}", {}, content_type=JSON, headers=headers)
            assert answer.status_code == 401
        known = {"Authorization": f"Bearer {TOKEN}"}
        assert Client().get(f"{PHI}{path}", headers=known).status_code == 405
    assert ask("", {}, headers={"Authorization": "Bearer made-up"}).status_code == 401
    assert not marks()


def test_a_role_without_a_right_sees_nothing_and_its_try_is_marked(clinic: Clinic) -> None:
    answer = ask("study/", {"study_instance_uid": clinic.study.uid, "purpose": WHY})
    assert (answer.status_code, answer.json()["code"]) == (403, "no-right")
    assert marks() == [("identity.refused", ACTOR, "a study", WHY)] and names_nobody(answer)


def test_a_right_in_one_project_shows_nothing_of_another(clinic: Clinic) -> None:
    uid, pseudonym = clinic.study.uid, clinic.pseudonym
    other = Project.objects.create(name="other")
    Clinic(clinic.platform, other).lets("role", "radiologist")
    for path, body in (
        ("study/", {"study_instance_uid": uid}),
        ("patient/", {"anonymous_patient_id": pseudonym}),
    ):
        answer = ask(path, {**body, "purpose": WHY})
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found") and names_nobody(answer)
    assert {mark[0] for mark in marks()} == {"identity.queried"}


def test_a_right_that_has_run_out_is_none(clinic: Clinic) -> None:
    clinic.lets("role", "radiologist", days=-1)
    assert ask("study/", {"study_instance_uid": clinic.study.uid, "purpose": WHY}).status_code == 403


def test_an_original_number_finds_nobody(clinic: Clinic) -> None:
    """What somebody knows already they cannot have confirmed."""
    clinic.lets("role", "radiologist")
    for path, body in (
        ("patient/", {"anonymous_patient_id": ADA.id}),
        ("study/", {"study_instance_uid": StudyPlan().uid}),
        ("series/", {"series_instance_uid": StudyPlan().series_uid()}),
    ):
        assert ask(path, {**body, "purpose": WHY}).status_code == 404


def test_who_was_forgotten_stays_so(clinic: Clinic) -> None:
    clinic.lets("role", "radiologist")
    uid, pseudonym = clinic.study.uid, clinic.pseudonym
    Person.objects.filter(pseudonym=pseudonym).update(
        forgotten_at=timezone.now(), wrapped_key=None, identity=None
    )
    for path, body in (("", {"study_instance_uid": uid}), ("patient/", {"anonymous_patient_id": pseudonym})):
        answer = ask(path, {**body, "purpose": WHY})
        assert answer.status_code == 404 and names_nobody(answer)


@pytest.mark.parametrize(
    ("meta", "status"),
    [
        ({"REMOTE_ADDR": "192.0.2.1"}, 403),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, 403),
        ({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_PROTO": "https"}, 403),
        ({"REMOTE_ADDR": "10.9.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, 403),
        (
            {
                "REMOTE_ADDR": "10.9.0.1",
                "HTTP_X_FORWARDED_FOR": "192.0.2.1",
                "HTTP_X_FORWARDED_PROTO": "https",
            },
            200,
        ),
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
    ],
)
def test_where_others_could_read_along_nothing_is_answered(
    clinic: Clinic, settings: LazySettings, meta: dict[str, str], status: int
) -> None:
    settings.API_TRUSTED_PROXIES = [ip_network("10.9.0.1")]
    clinic.lets("role", "radiologist")
    answer = ask("study/", {"study_instance_uid": clinic.study.uid, "purpose": WHY}, **meta)
    assert answer.status_code == status
    assert status == 200 or (answer.json()["code"] == "in-clear" and not marks() and not clinic.asked)


def test_it_may_be_said_that_others_may_read_along(clinic: Clinic, settings: LazySettings) -> None:
    settings.API_IDENTITIES_BY_HTTP = True
    clinic.lets("role", "radiologist")
    body = {"study_instance_uid": clinic.study.uid, "purpose": WHY}
    assert ask("study/", body, REMOTE_ADDR="192.0.2.1").status_code == 200


@pytest.mark.parametrize("key", ["audit.key", "master.keys"])
def test_without_a_key_nothing_is_told_and_the_answer_names_no_file(
    clinic: Clinic, settings: LazySettings, key: str
) -> None:
    clinic.lets("role", "radiologist")
    body = {"study_instance_uid": clinic.study.uid, "purpose": WHY}
    assert ask("study/", body).status_code == 200
    (Path(settings.KEY_DIR) / key).unlink()
    forget_all()
    answer = ask("study/", body)
    assert (answer.status_code, answer.json()["code"]) == (503, "keys-missing")
    assert names_nobody(answer) and key not in answer.content.decode()


def test_as_many_persons_as_an_hour_allows_and_then_a_true_wait(
    clinic: Clinic, settings: LazySettings
) -> None:
    clinic.lets("role", "radiologist")
    ada, ben = Study.objects.order_by("pk").values_list("patient", flat=True)
    settings.IDENTITY_PERSONS_PER_HOUR = 1
    began = timezone.now()
    with time_machine.travel(began, tick=False):
        assert ask("patient/", {"anonymous_patient_id": ada, "purpose": WHY}).status_code == 200
    with time_machine.travel(began + timedelta(minutes=20), tick=False):
        answer = ask("patient/", {"anonymous_patient_id": ben, "purpose": WHY})
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-persons")
        wait = int(answer["Retry-After"])
        assert 2390 <= wait <= 2401 and names_nobody(answer)
    with time_machine.travel(began + timedelta(minutes=20, seconds=wait + 1), tick=False):
        assert ask("patient/", {"anonymous_patient_id": ben, "purpose": WHY}).status_code == 200


def test_promise_9_another_name_at_the_backend_is_no_other_hour(
    clinic: Clinic, settings: LazySettings
) -> None:
    """Whoever may change their address there would look behind everybody, one address an allowance."""
    clinic.lets("role", "radiologist")
    ada, ben = Study.objects.order_by("pk").values_list("patient", flat=True)
    settings.IDENTITY_PERSONS_PER_HOUR = 1
    assert ask("patient/", {"anonymous_patient_id": ada, "purpose": WHY}).status_code == 200
    for more in ({"email": "other@ward.example"}, {"email": ""}):
        clinic.platform.users[TOKEN] = RADIOLOGIST | more
        confirming.forget()
        answer = ask("patient/", {"anonymous_patient_id": ben, "purpose": WHY})
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-persons")
        assert int(answer["Retry-After"]) > 3500
    clinic.platform.users[TOKEN] = RADIOLOGIST | {"id": 1}
    confirming.forget()
    assert ask("patient/", {"anonymous_patient_id": ben, "purpose": WHY}).status_code == 200


def test_more_at_once_than_an_hour_allows_is_refused_as_a_whole(
    clinic: Clinic, settings: LazySettings
) -> None:
    clinic.lets("role", "radiologist")
    settings.IDENTITY_PERSONS_PER_HOUR = 1
    both = list(Study.objects.values_list("patient", flat=True))
    answer = ask("patient/batch/", {"anonymous_patient_ids": both, "purpose": WHY})
    assert (answer.status_code, answer.json()["code"]) == (403, "too-many-persons")
    assert names_nobody(answer) and "identity.found" not in {mark[0] for mark in marks()}


def test_promise_9_where_the_project_wants_four_eyes_somebody_else_approves_first(clinic: Clinic) -> None:
    Project.objects.update(second_approver=True)
    clinic.lets("role", "radiologist")
    body = {"study_instance_uid": clinic.study.uid, "purpose": WHY}
    answer = ask("study/", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "approval-needed")
    question = Approval.objects.get()
    assert (question.asker, question.purpose) == (ACTOR, WHY) and names_nobody(answer)
    assert str(question.pk) in answer.json()["detail"]
    assert approvals.approve(question, ACTOR, timezone.now()) == "nobody approves for themselves."
    assert approvals.approve(question, "chief", timezone.now()) is True
    assert ask("study/", body).status_code == 200
    assert ask("study/", {**body, "purpose": "curious"}).status_code == 403


# --- what is told -----------------------------------------------------------------------------------


@pytest.fixture
def right(clinic: Clinic) -> Clinic:
    clinic.lets("role", "radiologist")
    return clinic


def test_promise_9_who_a_patient_is_is_told_and_marked_with_user_and_purpose(right: Clinic) -> None:
    answer = ask("patient/", {"anonymous_patient_id": right.pseudonym, "purpose": f" {WHY} "})
    assert answer.json() == {
        "anonymous_patient_id": right.pseudonym,
        "anonymous_patient_name": right.pseudonym,
        "original_patient_id": ADA.id,
        "original_patient_name": ADA.name,
        "issuer_of_patient_id": "",
        "project": "default",
        "patient_phi": {"PatientBirthDate": ADA.birth_date, "PatientSex": ADA.sex},
    }
    assert marks() == [("identity.queried", ACTOR, "", WHY), ("identity.found", ACTOR, right.pseudonym, WHY)]
    assert answer["Cache-Control"] == "no-store" and answer.status_code == 200


def test_what_a_study_was_is_told(right: Clinic) -> None:
    said = ask("study/", {"study_instance_uid": right.study.uid, "purpose": WHY}).json()
    assert (said["study_instance_uid"], said["patient_id"]) == (right.study.uid, right.pseudonym)
    assert said["original_patient_name"] == ADA.name and said["study_date"] != "20240115"
    plan = StudyPlan()
    assert (
        said["study_phi"].items()
        >= {
            "StudyInstanceUID": plan.uid,
            "StudyDate": plan.date,
            "AccessionNumber": plan.accession,
            "ReferringPhysicianName": REFERRER,
        }.items()
    )


def test_what_a_series_was_is_told(right: Clinic) -> None:
    series = right.study.series.order_by("pk")[0]
    said = ask("series/", {"series_instance_uid": series.uid, "purpose": WHY}).json()
    assert (said["series_instance_uid"], said["modality"]) == (series.uid, "CT")
    assert said["series_phi"]["SeriesInstanceUID"] == StudyPlan().series_uid()
    assert said["series_phi"]["InstitutionName"] == HOSPITAL and said["original_patient_id"] == ADA.id


@pytest.mark.parametrize("path", ["", "study/"])
def test_a_study_is_told_as_a_whole_too(right: Clinic, path: str) -> None:
    said = ask(path, {"study_instance_uid": right.study.uid, "purpose": WHY}).json()
    assert said["original_patient_id"] == ADA.id
    if path == "":
        assert said["patient_phi"]["PatientBirthDate"] == ADA.birth_date and said["series_count"] == 2
        found = {one["phi_metadata"]["SeriesInstanceUID"] for one in said["series_phi"]}
        assert found == {StudyPlan().series_uid(), StudyPlan().series_uid(2)}
    assert [mark[0] for mark in marks()] == ["identity.queried", "identity.found"]


def test_many_are_told_in_order_each_once_and_the_unknown_are_listed(right: Clinic) -> None:
    ada, ben = Study.objects.order_by("pk").values_list("patient", flat=True)
    asked = [ben, "ANON-NOBODY", ada, ben]
    said = ask("patient/batch/", {"anonymous_patient_ids": asked, "purpose": WHY}).json()
    assert [one["original_patient_name"] for one in said["results"]] == [BEN.name, ADA.name]
    assert (said["total"], said["requested"], said["not_found"]) == (2, 4, ["ANON-NOBODY"])
    assert [mark[:3] for mark in marks()] == [
        ("identity.queried", ACTOR, ""),
        *(("identity.found", ACTOR, one) for one in sorted([ada, ben])),
    ]


@pytest.mark.parametrize(("path", "field"), BATCHES)
def test_a_hundred_that_nobody_knows_are_listed_and_the_look_is_marked(
    right: Clinic, path: str, field: str
) -> None:
    names = [f"2.25.{one}" for one in range(1, 101)]
    said = ask(path, {field: names, "purpose": WHY}).json()
    assert said == {"results": [], "total": 0, "requested": 100, "not_found": names}
    assert marks() == [("identity.queried", ACTOR, "", WHY)]


def test_studies_and_series_in_batches_are_told_as_one_by_one(right: Clinic) -> None:
    uids = list(Study.objects.order_by("pk").values_list("uid", flat=True))
    said = ask("study/batch/", {"study_instance_uids": uids, "purpose": WHY}).json()
    assert said["results"] == [
        ask("study/", {"study_instance_uid": uid, "purpose": WHY}).json() for uid in uids
    ]
    series = [one.uid for one in right.study.series.order_by("pk")]
    said = ask("series/batch/", {"series_instance_uids": series, "purpose": WHY}).json()
    assert [one["modality"] for one in said["results"]] == ["CT", "PT"]


def test_files_that_are_gone_make_no_difference(right: Clinic) -> None:
    Revision.objects.update(state="expired", ended_at=timezone.now())
    said = ask("", {"study_instance_uid": right.study.uid, "purpose": WHY}).json()
    assert said["study_phi"]["AccessionNumber"] == StudyPlan().accession


def test_where_the_seal_is_gone_nothing_made_up_is_passed_off_as_real(right: Clinic) -> None:
    Seal.objects.all().delete()
    said = ask("", {"study_instance_uid": right.study.uid, "purpose": WHY}).json()
    assert said["original_patient_id"] == ADA.id
    assert said["study_phi"] == {} == said["patient_phi"]
    assert [one["phi_metadata"] for one in said["series_phi"]] == [{}, {}]


def test_a_right_in_several_projects_needs_approval_only_where_it_is_asked(right: Clinic) -> None:
    watched = Project.objects.create(name="watched", second_approver=True)
    Clinic(right.platform, watched).lets("role", "radiologist")
    assert ask("study/", {"study_instance_uid": right.study.uid, "purpose": WHY}).status_code == 200


def test_promise_8_no_log_says_what_was_asked_or_told(
    right: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for path, field in SINGLES:
            ask(path, {field: right.study.uid, "purpose": WHY})
        ask("study/", {"study_instance_uid": ADA.name, "purpose": WHY})
    text = caplog.text
    assert not [needle for needle in NEEDLES if needle in text] and TOKEN not in text


def test_a_batch_costs_as_many_questions_as_one(right: Clinic, django_assert_max_num_queries: Any) -> None:
    """As many statements for two persons as for a hundred."""
    both = list(Study.objects.order_by("pk").values_list("patient", flat=True))
    ask("patient/batch/", {"anonymous_patient_ids": both, "purpose": WHY})
    with django_assert_max_num_queries(15) as asked_for_two:
        ask("patient/batch/", {"anonymous_patient_ids": both, "purpose": WHY})
    with django_assert_max_num_queries(15) as asked_for_one:
        ask("patient/batch/", {"anonymous_patient_ids": both[:1], "purpose": WHY})
    assert len(asked_for_one) == len(asked_for_two)


def test_a_series_is_found_without_walking_through_all_of_them(right: Clinic) -> None:
    if connection.vendor == "sqlite":
        plan = Series.objects.filter(uid__in=["2.25.1"], study__project_id__in=[1]).explain()
        assert "series_by_uid" in plan
