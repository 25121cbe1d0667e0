"""Promise 8: not even DEBUG shows a value that stood in memory when something failed."""

import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from tests.cast import ADA


def fails(request: HttpRequest) -> HttpResponse:
    patient = {"name": ADA.name, "body": request.body}
    try:
        raise KeyError(patient["name"])
    except KeyError as error:
        raise ValueError(f"<b>{ADA.name}</b>") from error


def doubts(request: HttpRequest) -> HttpResponse:
    patient = ADA.name
    raise SuspiciousOperation(patient)


urlpatterns = [path("fails", fails), path("doubts", doubts)]


@pytest.fixture
def client(settings: Settings) -> Client:
    settings.DEBUG, settings.ROOT_URLCONF = True, __name__
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
@pytest.mark.parametrize(("place", "kind"), [("fails", "ValueError"), ("doubts", "SuspiciousOperation")])
def test_promise_8_a_debug_page_names_kinds_and_places_and_no_value(
    client: Client, accept: str, place: str, kind: str
) -> None:
    answer = client.post(f"/{place}", {"patient": ADA.name}, headers={"accept": accept})
    said = answer.content.decode()
    assert answer["Content-Type"].startswith(accept)
    assert not any(needle in said for needle in ADA.needles)
    assert f"{kind} at test_faults.py:" in said and f"in {place}" in said


def test_causes_are_named_too(client: Client) -> None:
    assert "because of KeyError at test_faults.py:" in client.get("/fails").content.decode()
