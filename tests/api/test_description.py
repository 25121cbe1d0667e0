"""The description of the doors (OpenAPI): closed unless it is opened, whole, and true."""

import re
from typing import Any

import jsonschema
import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import get_resolver

from proxy.api.description import document
from tests.api.conftest import TOKEN, Clinic

WHY = "recall of trial 7"


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_it_is_closed_unless_a_setting_opens_it(settings: LazySettings, path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    settings.API_DOCS = True
    answer = Client().get(path)
    assert answer.status_code == 200 and answer.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("accepted", ["text/html,application/xhtml+xml,*/*;q=0.8", "TEXT/HTML"])
def test_a_browser_gets_a_page_of_files_that_lie_here(
    db: None, settings: LazySettings, accepted: str
) -> None:
    headers = {"Accept": accepted}
    assert Client().get("/docs", headers=headers).status_code == 404
    settings.API_DOCS = True
    answer = Client().get("/docs", headers=headers)
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
    text = answer.content.decode()
    assert "//" not in re.sub(r"<!--.*?-->", "", text) and "<script>" not in text
    for address in re.findall(r'(?:src|href|data-document)="([^"]+)"', text):
        found = Client().get(address)
        found.close()
        assert found.status_code == 200, address


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "application/json, text/html"])
def test_a_program_gets_the_document(settings: LazySettings, accepted: str) -> None:
    settings.API_DOCS = True
    for address in ("/docs", "/docs/openapi.json"):
        answer = Client().get(address, headers={"Accept": accepted})
        assert answer["Content-Type"] == "application/json" and answer.json()["openapi"].startswith("3.1")


def walked(urls: str) -> set[str]:
    patterns = [str(one.pattern) for one in get_resolver(urls).url_patterns]
    plain = {re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", one) for one in patterns}
    return {"/" + re.sub(r"^\^|/\?\$$", "", one) for one in plain}


def test_every_door_is_in_it_and_nothing_else() -> None:
    doors = {f"{one}/" for one in walked("proxy.api.urls") if one.startswith("/api/")}
    doors |= {one for one in walked("proxy.api.v1.urls") if one.startswith("/v1/")}
    assert doors == set(document()["paths"])
    assert {"/api/phi-metadata/series/batch/", "/v1/studies/{number}/revisions"} <= doors


def test_examples_are_as_described() -> None:
    count = 0
    for said in document()["paths"].values():
        for door in said.values():
            for content in door["responses"].get("200", {}).get("content", {}).values():
                schema = {**content["schema"], "components": document()["components"]}
                for example in content.get("examples", {}).values():
                    jsonschema.validate(example["value"], schema)
                    count += 1
    assert count >= 5


def test_no_operation_has_the_name_of_another() -> None:
    names = [door["operationId"] for said in document()["paths"].values() for door in said.values()]
    assert len(names) == len(set(names))


def test_a_door_for_users_says_so_and_the_open_one_asks_for_nobody() -> None:
    paths = document()["paths"]
    assert "security" not in paths["/api/health/"]["get"]
    assert paths["/api/status/"]["get"]["security"] == [{"user": []}, {"backend": []}]
    assert all(
        said["post"]["security"] == [{"user": []}] for path, said in paths.items() if "phi-metadata" in path
    )


def is_as_described(answer: Any, path: str, method: str = "post") -> bool:
    content = document()["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    schema = content[answer["Content-Type"]]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": document()["components"]})
    return True


@pytest.mark.parametrize("has_right", [True, False])
def test_what_comes_back_is_as_described(clinic: Clinic, has_right: bool) -> None:
    if has_right:
        clinic.lets("role", "radiologist")
    study, series = clinic.study.uid, clinic.study.series.order_by("pk")[0].uid
    bodies: dict[str, dict[str, object]] = {
        "/api/phi-metadata/": {"study_instance_uid": study},
        "/api/phi-metadata/patient/": {"anonymous_patient_id": clinic.pseudonym},
        "/api/phi-metadata/study/": {"study_instance_uid": study},
        "/api/phi-metadata/series/": {"series_instance_uid": series},
        "/api/phi-metadata/patient/batch/": {"anonymous_patient_ids": [clinic.pseudonym, "ANON-X"]},
        "/api/phi-metadata/study/batch/": {"study_instance_uids": [study, "2.25.9"]},
        "/api/phi-metadata/series/batch/": {"series_instance_uids": [series, "2.25.9"]},
    }
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for path, body in bodies.items():
        for sent in ({**body, "purpose": WHY}, body, {}):
            answer = Client().post(path, sent, content_type="application/json", headers=headers)
            assert is_as_described(answer, path)
        assert is_as_described(Client().post(path, {}, content_type="application/json"), path)
        wrong = Client().post(path, b"x", content_type="text/plain", headers=headers)
        assert wrong.status_code == 415 and is_as_described(wrong, path)


def test_health_and_status_are_as_described(clinic: Clinic) -> None:
    for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"X-Proxy-Key": clinic.platform.key}, {}):
        answer = Client().get("/api/status/", headers=headers)
        assert is_as_described(answer, "/api/status/", "get")
    assert is_as_described(Client().get("/api/health/"), "/api/health/", "get")


def test_a_name_that_nobody_knows_is_refused_as_described(clinic: Clinic) -> None:
    clinic.lets("role", "radiologist")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"study_instance_uid": "2.25.9", "purpose": WHY}
    answer = Client().post("/api/phi-metadata/", body, content_type="application/json", headers=headers)
    assert answer.status_code == 404 and is_as_described(answer, "/api/phi-metadata/")
