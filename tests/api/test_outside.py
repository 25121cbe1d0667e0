"""What is refused before a door is reached, and whatever anybody may send."""

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from rest_framework.response import Response

from proxy.api import outside
from proxy.api.identities import Patient
from proxy.api.permissions import Anybody
from tests.cast import ADA


@pytest.mark.parametrize("path", ["/api/health/", "/api/phi-metadata/", "/docs", "/api"])
def test_a_host_name_that_is_not_ours_is_refused_as_a_problem(path: str) -> None:
    answer = Client(raise_request_exception=False).get(path, HTTP_HOST=f"{ADA.id}.example")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "malformed" and ADA.id not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_a_page_for_people_stays_a_page() -> None:
    answer = Client(raise_request_exception=False).get("/admin/login/", HTTP_HOST="elsewhere.example")
    assert answer.status_code == 400 and answer["Content-Type"].startswith("text/html")
    assert not outside.is_programs("/apiary") and outside.is_programs("/v1/anonymize")


def test_a_fault_of_ours_names_nothing() -> None:
    answer = outside.server_error(RequestFactory().get("/api/health/"))
    assert answer.status_code == 500 and json.loads(answer.content)["code"] == "our-fault"
    assert outside.server_error(RequestFactory().get("/")).status_code == 500


@pytest.mark.parametrize(
    "path", ["/v1/studies/1%0A", "/v1/%0A/x", "/api/%0A", "/docs/nothing", "/dicomweb/%0A"]
)
def test_an_address_that_no_door_has_is_a_problem_for_programs(db: None, path: str) -> None:
    """A line break ends a pattern; without a word of ours Django shows its page."""
    answer = Client().get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not-found" and answer["Cache-Control"] == "no-store"


def test_an_address_that_no_page_has_stays_a_page(db: None) -> None:
    answer = Client().get("/nothing")
    assert answer.status_code == 404 and answer["Content-Type"].startswith("text/html")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["anonymous_patient_id", "purpose", "study_instance_uid", ADA.name])


KINDS = ["application/json", "application/json; charset=utf-16", "", "x/y", "é"]
OURS = {"anonymous_patient_id", "purpose", "non_field_errors"}


class Open(Patient):
    """The door to a patient, without anybody behind it: what comes that far was read."""

    authentication_classes = ()
    permission_classes = (Anybody,)
    throttle_classes = ()

    def post(self, request: Any) -> Any:
        return Response(self.wish(request))


@effort(max_examples=300)
@given(st.one_of(st.dictionaries(fields, values, max_size=4), values))
def test_whatever_json_comes_it_is_taken_or_refused_with_reasons(body: Any) -> None:
    request = RequestFactory().post("/x", json.dumps(body), content_type="application/json")
    _is_judged(Open.as_view()(request))


@effort(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from(["application/json", "application/json; charset=utf-16", "", "x/y", "é"]),
)
def test_whatever_bytes_come_they_are_refused_with_reasons(body: bytes, kind: str) -> None:
    answer = Open.as_view()(RequestFactory().generic("POST", "/x", body, content_type=kind))
    assert answer.status_code >= 400
    _is_judged(answer)


def _is_judged(answer: Any) -> None:
    said = json.loads(answer.render().content)
    assert answer.status_code in {200, 400, 413, 415}
    if answer.status_code == 200:
        name, purpose = said
        assert isinstance(name, str) and isinstance(purpose, str) and purpose.strip()
    else:
        assert said["detail"] and {one["field"] for one in said.get("errors", ())} <= OURS
