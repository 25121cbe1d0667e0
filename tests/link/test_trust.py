"""A backend whose certificate the hospital's own authority signed: believed wherever the site names that authority."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.api import confirming
from proxy.backend.models import Standing
from proxy.deliveries.addresses import Trust
from proxy.deliveries.directions import backend_trust
from proxy.link import rest
from proxy.link.asking import ask_once
from proxy.link.calling import AWAY, REFUSALS, NotConnected, call
from proxy.link.downloading import AWAY as NO_DOWNLOAD
from proxy.link.downloading import Bounds, Wanted, download
from proxy.routing.models import Destination
from proxy.storage import keys
from tests.backend.said import configuration
from tests.backend.serving import Reply, Request, Server, serving
from tests.network.certificates import Authority

WANTED, BOUNDS = Wanted("w1", "session", "s1", "u1"), Bounds(1 << 20, 0)


def answers(request: Request) -> Reply:
    if "workspaces" in request.path:
        return Reply(200, json.dumps({"user": {"id": 17}}).encode())
    if "configuration" in request.path:
        return Reply(200, json.dumps(configuration()).encode())
    return Reply(200, b"an archive") if "download" in request.path else Reply(401, b"{}")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def server(authority: Authority, settings: LazySettings, tmp_path: Path) -> Iterator[Server]:
    keys.ensure(tmp_path / "keys")
    settings.KEY_DIR = tmp_path / "keys"
    files = authority.issue("good")
    assert files.certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with serving(answers, context) as one:
        settings.ITH_URL, settings.ITH_TOKEN = one.url, "key"
        yield one


@pytest.fixture
def named(db: None, authority: Authority) -> Destination:
    return Destination.objects.create(name="backend", kind="backend", authorities=str(authority.file))


def test_the_site_says_it_once_for_all_that_is_asked(
    server: Server, named: Destination, tmp_path: Path
) -> None:
    assert backend_trust().authorities == Path(named.authorities)
    assert ask_once() and Standing.objects.get().state == Standing.KNOWN
    user = confirming.confirmed("a-token")
    assert user is not None and user.id == "17"
    confirming.forget()
    trust = backend_trust()
    assert download(server.url, "key", WANTED, tmp_path / "archive", BOUNDS, trust=trust) is None
    assert call(server.url, "key", key_in_query=False, trust=trust) == NotConnected(REFUSALS[401])


@pytest.mark.django_db
def test_nobody_else_is_believed(server: Server, tmp_path: Path) -> None:
    found = rest.configuration(server.url, "key")
    assert isinstance(found, rest.Trouble) and "authority is not known here" in found.reason
    assert download(server.url, "key", WANTED, tmp_path / "archive", BOUNDS) is NO_DOWNLOAD
    assert call(server.url, "key", key_in_query=False) == NotConnected(AWAY)
    assert not server.heard


def test_who_connects_and_is_silent_keeps_nobody_else_waiting(server: Server, named: Destination) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))):
        assert ask_once()


def test_a_file_that_is_gone_is_no_trust(server: Server, named: Destination, tmp_path: Path) -> None:
    Destination.objects.update(authorities=str(tmp_path / "gone.pem"))
    found = rest.configuration(server.url, "key")
    assert isinstance(found, rest.Trouble) and "`authorities`" in found.reason
    assert call(server.url, "key", key_in_query=False, trust=backend_trust()) == NotConnected(AWAY)
    assert not server.heard


@pytest.mark.django_db
def test_a_house_without_such_a_destination_believes_the_systems_authorities() -> None:
    assert backend_trust() == Trust()


def test_no_password_lies_in_wait_for_the_backend(
    server: Server, named: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in ~/.netrc is for other programs."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password theirs\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    rest.configuration(server.url, "key")
    download(server.url, "key", WANTED, tmp_path / "archive", BOUNDS, trust=backend_trust())
    assert len(server.heard) == 2
    assert not any("Authorization" in one.headers for one in server.heard)
