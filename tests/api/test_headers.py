"""Every address of ours, walked: what browsers are told, and that no other site may ask in anybody's name."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.api.conftest import Told

ELSEWHERE = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}


def addresses(patterns: Any = None, before: str = "") -> Iterator[str]:
    """One for each pattern; what varies in it is a 1."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        here = before + _plain(str(one.pattern))
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, here)
        elif isinstance(one, URLPattern):
            yield f"/{here}"


def _plain(pattern: str) -> str:
    text = re.sub(r"\(\?P<\w+>[^)]*\)|<[^>]+>", "1", pattern)
    text = re.sub(r"\(\?:/\.\*\)\?|\(\?:.*\)|\(.*\)", "", text)
    return re.sub(r"[\^$?]|\\Z", "", text).replace("\\.", ".").replace(".*", "")


ALL = sorted(set(addresses()))


def test_the_walk_finds_pages_files_and_doors() -> None:
    assert {"/", "/health", "/docs/", "/legal/dpa", "/admin/login/", "/api/health/", "/v1/studies/"} <= set(
        ALL
    )


def refuses_strangers(answer: Any) -> bool:
    headers = {name.lower() for name in answer.headers}
    assert not any(name.startswith("access-control-") for name in headers)
    assert answer["X-Content-Type-Options"] == "nosniff" and answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == answer["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy and "http" not in policy
    return True


def test_no_address_lets_another_site_in(db: None, told: Told) -> None:
    client = Client(headers=ELSEWHERE)
    for address in ALL:
        for method in ("get", "options", "post"):
            answer = getattr(client, method)(address)
            assert answer.status_code < 500 and refuses_strangers(answer), address


def test_no_door_takes_a_body_without_end(db: None, told: Told) -> None:
    """What is said of its length is enough to refuse it."""
    client, length = Client(), {"Content-Length": str(10 << 30)}
    for address in ALL:
        if address.startswith(("/api", "/v1", "/docs")):
            answer = client.post(address, b"{}", content_type="application/json", headers=length)
            assert 400 <= answer.status_code < 500, address


def test_a_file_of_ours_is_no_other_sites(client: Client, db: None) -> None:
    answer = client.get("/static/postern/docs.js", headers=ELSEWHERE)
    answer.close()
    assert answer.status_code == 200 and refuses_strangers(answer)


def test_a_page_may_load_what_is_here_and_nothing_else(client: Client, db: None) -> None:
    answer = client.get("/admin/login/")
    assert answer["Content-Security-Policy"].startswith("default-src 'self';")
    text = answer.content.decode()
    assert "<style" not in text and not re.search(r"<script(?![^>]* src=)", text) and " style=" not in text


def test_what_is_no_page_may_load_nothing(client: Client, db: None) -> None:
    assert client.get("/health")["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


class TestOverTls:
    def test_browsers_are_told_to_stay_there(self, client: Client) -> None:
        assert client.get("/health", secure=True)["Strict-Transport-Security"] == "max-age=31536000"
        assert "Strict-Transport-Security" not in client.get("/health")

    def test_a_web_server_that_the_site_has_named_is_believed(
        self, client: Client, settings: LazySettings
    ) -> None:
        from config import reading

        said: dict[str, Any] = {"REMOTE_ADDR": "10.1.1.1", "headers": {"X-Forwarded-Proto": "https"}}
        assert "Strict-Transport-Security" not in client.get("/health", **said)
        settings.API_TRUSTED_PROXIES = reading.networks("NO_SUCH_SETTING", ["10.1.1.0/24"])
        assert "Strict-Transport-Security" in client.get("/health", **said)
        said["headers"] = {"X-Forwarded-Proto": "http"}
        assert "Strict-Transport-Security" not in client.get("/health", **said)

    @pytest.mark.parametrize("is_secure", [True, False])
    def test_cookies_are_shown_to_no_script_and_no_other_site(self, db: None, is_secure: bool) -> None:
        User.objects.create_superuser("chief", password="a long new word 7")
        client = Client()
        page = client.get("/admin/login/", secure=is_secure)
        words = {"username": "chief", "password": "a long new word 7", "next": "/admin/"}
        answer = client.post("/admin/login/", words, secure=is_secure)
        assert answer.status_code == 302
        cookies = {**page.cookies, **answer.cookies}
        assert set(cookies) == {"csrftoken", "sessionid"}
        for cookie in cookies.values():
            assert (
                cookie["httponly"] and cookie["samesite"] == "Strict" and bool(cookie["secure"]) == is_secure
            )

    def test_a_login_over_tls_that_we_do_not_know_of_is_refused(self, db: None) -> None:
        """docs/operations.md tells what whoever put a web server before us and did not name it sees."""
        client, page = Client(enforce_csrf_checks=True), "/admin/login/"
        found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', client.get(page).content.decode())
        assert found
        words = {"username": "chief", "password": "x", "csrfmiddlewaretoken": found[1]}
        said = {"Origin": "https://testserver", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}
        answer = client.post(page, words, headers=said)
        assert answer.status_code == 403 and "CSRF verification failed" in answer.content.decode()
