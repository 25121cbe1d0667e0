"""What every door has in common, bad input first: a problem document, the right status, and not a word of theirs."""

import json
import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from django.test import Client

from proxy.audit.record import ChainBroken
from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing
from tests.api import probe
from tests.cast import ADA

NEEDLE = ADA.name
JSON = "application/json"


@pytest.fixture(autouse=True)
def probed(settings: LazySettings) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.api.probe"
    yield
    probe.Echo.raises = None


def is_problem(answer: object, status: int, code: str) -> bool:
    document = json.loads(answer.content)  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/problem+json", answer  # type: ignore[index]
    assert answer["Cache-Control"] == "no-store"  # type: ignore[index]
    assert document["type"] == "about:blank" and document["title"] and document["detail"]
    assert not set(document) - {"type", "title", "status", "code", "detail", "errors"}
    found = answer.status_code, document["status"], document["code"]  # type: ignore[attr-defined]
    return found == (status, status, code)


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", JSON, 400, "invalid"),
        (b"{", JSON, 400, "malformed"),
        (NEEDLE.encode(), JSON, 400, "malformed"),
        (b"\xff\xfe", JSON, 400, "malformed"),
        (b'{"word": NaN}', JSON, 400, "malformed"),
        (b"[" * 190, JSON, 400, "malformed"),
        (b"[]", JSON, 400, "invalid"),
        (b'"word"', JSON, 400, "invalid"),
        (b"null", JSON, 400, "invalid"),
        (b'{"word": {}, "numbers": [1]}', JSON, 400, "invalid"),
        (b'{"word": "a\\u0000", "numbers": [1]}', JSON, 400, "invalid"),
        (b'{"word": "ok", "numbers": [1, 2, 3]}', JSON, 400, "invalid"),
        (json.dumps({"word": NEEDLE, "numbers": [NEEDLE]}).encode(), JSON, 400, "invalid"),
        (b'{"word": "' + b"x" * 200 + b'"}', JSON, 413, "too-large"),
        (b"word=ok", "application/x-www-form-urlencoded", 415, "wrong-type"),
        (b"{}", NEEDLE, 415, "wrong-type"),
        (b"<word/>", "text/xml", 415, "wrong-type"),
    ],
)
def test_a_body_that_cannot_be_taken(body: bytes, kind: str, status: int, code: str) -> None:
    answer = Client().post("/echo", body, content_type=kind)
    assert is_problem(answer, status, code)
    assert not [part for part in ADA.needles if part in answer.content.decode()]


def test_what_is_right_is_taken() -> None:
    answer = Client().post("/echo", {"word": "ok", "numbers": [1]}, content_type=JSON)
    assert (answer.status_code, answer.json()) == (200, {"word": "ok", "numbers": [1]})
    assert answer["Cache-Control"] == "no-store" and answer["X-Content-Type-Options"] == "nosniff"


def test_each_wrong_field_is_named_with_a_sentence() -> None:
    answer = Client().post("/echo", {"numbers": [1, "x"]}, content_type=JSON)
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [
        ("word", "required"),
        ("numbers.1", "invalid"),
    ]
    assert all(one["why"] for one in answer.json()["errors"])


def test_a_body_whose_length_nobody_says_is_not_taken_for_an_empty_one() -> None:
    answer = Client().generic("POST", "/echo", b"", content_type=JSON, HTTP_TRANSFER_ENCODING="chunked")
    assert is_problem(answer, 411, "no-length")


def test_a_body_that_is_longer_than_it_said_is_not_read_further() -> None:
    answer = Client().post("/echo", b'{"word": "' + b"x" * 10_000, content_type=JSON, CONTENT_LENGTH="10000")
    assert is_problem(answer, 413, "too-large")


@pytest.mark.parametrize("length", ["-1", "x", "9" * 400, "٣"])
def test_a_length_that_makes_no_sense_ends_in_no_fault_of_ours(length: str) -> None:
    answer = Client().generic("POST", "/echo", b"{}", content_type=JSON, CONTENT_LENGTH=length)
    assert 400 <= answer.status_code < 500


def test_a_method_that_no_door_knows() -> None:
    for method in ("DELETE", "OPTIONS", "TRACE", "BREW"):
        answer = Client().generic(method, "/echo")
        assert is_problem(answer, 405, "wrong-method"), method
        assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("accept", ["text/html", "application/xml", f"text/{NEEDLE}"])
def test_another_form_than_json(accept: str) -> None:
    answer = Client().get("/echo", headers={"Accept": accept})
    assert is_problem(answer, 406, "not-acceptable")


def test_no_word_in_the_address_chooses_another_form() -> None:
    assert Client().get("/echo?format=html").json() == {"query": 1}


def test_a_door_that_says_nothing_lets_nobody_in() -> None:
    assert is_problem(Client().get("/silent"), 403, "not-allowed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValueError(NEEDLE), 500, "our-fault"),
        (OperationalError(NEEDLE), 503, "database"),
        (KeysMissing("The key file master.keys is gone."), 503, "keys-missing"),
        (SealBroken("broken"), 503, "keys-missing"),
        (ChainBroken("The head of the audit chain is gone."), 503, "keys-missing"),
        (Http404(NEEDLE), 404, "not-found"),
        (SuspiciousOperation(NEEDLE), 400, "malformed"),
        (RequestDataTooBig(NEEDLE), 413, "too-large"),
    ],
)
def test_what_goes_wrong_behind_a_door_says_nothing_of_it(
    caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str
) -> None:
    probe.Echo.raises = error
    with caplog.at_level(logging.ERROR, "proxy"):
        answer = Client(raise_request_exception=True).get("/echo")
    assert is_problem(answer, status, code)
    text = answer.content.decode() + "".join(record.getMessage() for record in caplog.records)
    assert NEEDLE not in text and "master.keys" not in text
    assert bool(caplog.records) == (status >= 500)


def test_too_many_are_told_how_long_to_wait(settings: LazySettings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    client = Client()
    assert [client.get("/echo").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    answer = client.get("/echo")
    assert is_problem(answer, 429, "too-many-requests")
    assert 55 <= int(answer["Retry-After"]) <= 60
    assert Client(REMOTE_ADDR="10.0.0.9").get("/echo").status_code == 200


def test_a_header_that_anybody_can_write_opens_no_second_account(settings: LazySettings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    found = [Client().get("/echo", HTTP_X_FORWARDED_FOR=f"10.0.0.{one}").status_code for one in range(3)]
    assert found == [200, 429, 429]


def test_without_a_limit_nobody_is_counted(settings: LazySettings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    assert {Client().get("/echo").status_code for _ in range(200)} == {200}


class _Gone(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise BlockingIOError


def test_a_body_that_never_ends_is_its_senders_fault() -> None:
    """As gunicorn says it, of a connection that is silent for a minute or was closed."""
    more: dict[str, Any] = {"wsgi.input": _Gone(), "CONTENT_LENGTH": "10"}
    assert is_problem(Client().generic("POST", "/echo", b"{}", JSON, **more), 400, "malformed")
