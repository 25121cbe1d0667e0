"""Who we say we are: a header, or a token that is fetched, kept and fetched anew. No secret shows anywhere."""

import base64
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.deliveries.addresses import Auth, Credentials, Web
from proxy.deliveries.agents import dicomweb
from proxy.deliveries.agents.web import credentials
from proxy.deliveries.agents.web.line import Patience
from proxy.deliveries.outcomes import Delivered, Outcome, TryLater
from tests.backend.faults import Says
from tests.backend.serving import Reply, Request, Server, serving
from tests.deliveries.agents.parcels import Ear, items_in, parcel_of
from tests.deliveries.agents.stow import Store

SECRET = "s3cret-Of-The-Cloud"
CALM = Patience(connect=20.0, sending=20.0, silence=20.0, answer=40.0)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    credentials._tokens.clear()


def deliver(url: str, who: Credentials, folder: Path) -> Outcome:
    parcel = parcel_of(items_in(folder / "store", 2), Web(url, who))
    assert SECRET not in repr(parcel)
    ear = Ear()
    return dicomweb.deliver(parcel, ear.acknowledge, ear.keep_going, CALM)


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, TryLater)
    assert SECRET not in outcome.reason
    return outcome.reason


@pytest.mark.parametrize(
    ("who", "name", "value"),
    [
        (Credentials(Auth.HEADER, SECRET), "X-API-Key", SECRET),
        (Credentials(Auth.HEADER, SECRET, header="Ocp-Key"), "Ocp-Key", SECRET),
        (Credentials(Auth.BEARER, SECRET), "Authorization", f"Bearer {SECRET}"),
        (
            Credentials(Auth.BASIC, SECRET, user="ada"),
            "Authorization",
            "Basic " + base64.b64encode(f"ada:{SECRET}".encode()).decode(),
        ),
    ],
)
def test_a_secret_goes_into_its_header(tmp_path: Path, who: Credentials, name: str, value: str) -> None:
    with serving(Store(lambda uid: None)) as server:
        assert deliver(server.url, who, tmp_path) == Delivered()
    assert server.heard[0].headers[name] == value


def test_nothing_of_a_netrc_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password x\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(Store(lambda uid: None)) as server:
        deliver(server.url, Credentials(), tmp_path)
    assert "Authorization" not in server.heard[0].headers


@pytest.mark.parametrize("secret", ["", "two\r\nlines", "ümlaut"])
@pytest.mark.parametrize("auth", [Auth.HEADER, Auth.BEARER, Auth.BASIC, Auth.OAUTH2])
def test_a_secret_that_is_none_asks_nobody(tmp_path: Path, secret: str, auth: Auth) -> None:
    with serving(Store(lambda uid: None)) as server:
        outcome = deliver(server.url, Credentials(auth, secret, user="a", token_url=server.url), tmp_path)
    assert isinstance(outcome, TryLater)
    assert "secret" in outcome.reason
    assert server.heard == []


# --- OAuth2 ---------------------------------------------------------------------------------------


class Tokens:
    """Gives tokens `t1`, `t2`...; the service takes the ones that are in `valid`."""

    def __init__(self, expires: object = 3600) -> None:
        self.given = 0
        self.valid: set[str] = set()
        self.expires = expires
        self.store = Store(lambda uid: None)

    def __call__(self, request: Request) -> Reply:
        if request.path == "/token":
            self.given += 1
            self.valid = {f"t{self.given}"}
            said = {"access_token": f"t{self.given}", "token_type": "Bearer", "expires_in": self.expires}
            return Reply(200, json.dumps(said).encode())
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.store(request) if token in self.valid else Reply(401)


@contextmanager
def a_service(expires: object = 3600) -> Iterator[tuple[Server, Tokens, Credentials]]:
    tokens = Tokens(expires)
    with serving(tokens) as server:
        who = Credentials(
            Auth.OAUTH2, SECRET, user="a client:1", token_url=f"{server.url}/token", scope="dicom"
        )
        yield server, tokens, who


def test_a_token_is_fetched_once_and_used_by_the_next_delivery(tmp_path: Path) -> None:
    with a_service() as (server, tokens, who):
        assert deliver(server.url, who, tmp_path) == Delivered()
        assert deliver(server.url, who, tmp_path) == Delivered()
        asked = server.heard[0]
        assert asked.body.read() == b"grant_type=client_credentials&scope=dicom"
    assert server.paths() == ["/token", "/studies", "/studies"]
    login = base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode()
    assert login == f"a%20client%3A1:{SECRET}"
    assert tokens.given == 1


def test_a_token_that_is_not_taken_any_longer_is_fetched_anew_once(tmp_path: Path) -> None:
    with a_service() as (server, tokens, who):
        deliver(server.url, who, tmp_path)
        tokens.valid = set()
        assert deliver(server.url, who, tmp_path) == Delivered()
    assert server.paths() == ["/token", "/studies", "/studies", "/token", "/studies"]


def test_a_service_that_takes_no_token_is_not_asked_for_ever(tmp_path: Path) -> None:
    with a_service() as (server, _, who):
        server.faulty = "/studies"
        server.fail(Says(401), Says(401), Says(401))
        outcome = deliver(server.url, who, tmp_path)
    assert "credentials (401)" in reason_of(outcome)
    assert server.paths() == ["/token", "/studies", "/token", "/studies"]


def test_a_token_that_ends_is_fetched_anew(tmp_path: Path) -> None:
    with a_service(expires=100) as (server, tokens, who):
        deliver(server.url, who, tmp_path)
        ((key, (token, until)),) = credentials._tokens.items()
        assert until - time.monotonic() < 71  # and not to its very end
        credentials._tokens[key] = (token, time.monotonic() - 1)
        assert deliver(server.url, who, tmp_path) == Delivered()
    assert tokens.given == 2


@pytest.mark.parametrize("expires", [None, "soon", -1, 0, float("nan"), [], True])
def test_a_token_without_a_usable_end_is_none_or_short(tmp_path: Path, expires: object) -> None:
    with a_service(expires) as (server, tokens, who):
        outcome = deliver(server.url, who, tmp_path)
    if isinstance(outcome, TryLater):
        assert "token" in outcome.reason
        assert tokens.store.stored == []
    else:
        assert expires is True


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_token_service_in_trouble_is_said_to_be_it(tmp_path: Path, status: int) -> None:
    with a_service() as (server, _, who):
        server.fail(Says(status, {"Retry-After": "5"}))
        outcome = deliver(server.url, who, tmp_path)
    assert reason_of(outcome).startswith("The token service ")
    assert str(status) in reason_of(outcome)
    assert server.paths() == ["/token"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"access_token": ""}', b'{"access_token": 5}', b"null", b"[" * 9999]
)
def test_an_answer_without_a_token_is_no_token(tmp_path: Path, body: bytes) -> None:
    with serving(lambda request: Reply(200, body)) as server:
        who = Credentials(Auth.OAUTH2, SECRET, user="c", token_url=f"{server.url}/token")
        assert deliver(server.url, who, tmp_path) == credentials.NO_TOKEN
    assert server.paths() == ["/token"]


def test_a_token_service_that_redirects_gets_no_second_look(tmp_path: Path) -> None:
    with serving(lambda request: Reply(200)) as elsewhere, a_service() as (server, _, who):
        server.fail(Says(307, {"Location": elsewhere.url}))
        assert "redirects" in reason_of(deliver(server.url, who, tmp_path))
    assert elsewhere.heard == []


def test_secrets_and_tokens_are_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with a_service() as (server, _, who):
        deliver(server.url, who, tmp_path)
        server.faulty = "/studies"
        server.fail(Says(500))
        deliver(server.url, who, tmp_path)
    assert SECRET not in caplog.text
    assert "Bearer" not in caplog.text
    assert SECRET not in repr(credentials._tokens)
