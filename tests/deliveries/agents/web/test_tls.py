"""TLS: whom we believe, whom we do not, and what we show."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.deliveries.addresses import Auth, Credentials, Trust, Web
from proxy.deliveries.agents import dicomweb
from proxy.deliveries.agents.web.line import Patience
from proxy.deliveries.outcomes import Delivered, Outcome, TryLater
from proxy.network.tls import TlsFiles
from tests.backend.serving import Server, serving
from tests.deliveries.agents.parcels import Ear, items_in, parcel_of
from tests.deliveries.agents.stow import Store
from tests.network.certificates import Authority

CALM = Patience(connect=20.0, sending=20.0, silence=20.0, answer=40.0)
SECRET = Credentials(Auth.BEARER, "s3cret")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@contextmanager
def a_service(
    files: TlsFiles, *, mutual: bool = False, version: ssl.TLSVersion | None = None
) -> Iterator[Server]:
    assert files.certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    if mutual:
        context.load_verify_locations(files.authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
    with serving(Store(lambda uid: None), context) as server:
        yield server


def deliver(server: Server, trust: Trust, folder: Path) -> Outcome:
    parcel = parcel_of(items_in(folder / "store", 2), Web(server.url, SECRET, trust))
    ear = Ear()
    return dicomweb.deliver(parcel, ear.acknowledge, ear.keep_going, CALM)


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, TryLater)
    return outcome.reason


def test_a_service_of_our_authority_is_believed(tmp_path: Path, authority: Authority) -> None:
    with a_service(authority.issue("good")) as server:
        assert deliver(server, Trust(authority.file), tmp_path) == Delivered()


@pytest.mark.parametrize(
    ("days", "address", "why"),
    [(-1, "127.0.0.1", "it has expired"), (30, "127.0.0.9", "for another address")],
)
def test_a_certificate_that_proves_nothing_gets_no_secret(
    tmp_path: Path, authority: Authority, days: int, address: str, why: str
) -> None:
    with a_service(authority.issue("bad", days=days, address=address)) as server:
        outcome = deliver(server, Trust(authority.file), tmp_path)
    assert why in reason_of(outcome)
    assert server.heard == []


def test_an_authority_that_nobody_named_is_not_believed(tmp_path: Path, authority: Authority) -> None:
    with a_service(authority.issue("good")) as server:
        for trust in (Trust(), Trust(Authority(tmp_path / "other", "Other").file)):
            assert "certificate is not trusted" in reason_of(deliver(server, trust, tmp_path))
    assert server.heard == []


def test_a_client_certificate_is_shown(tmp_path: Path, authority: Authority) -> None:
    ours = authority.issue("postern")
    with a_service(authority.issue("good"), mutual=True) as server:
        assert deliver(server, Trust(authority.file, ours.certificate, ours.key), tmp_path) == Delivered()


def test_without_its_client_certificate_a_service_hears_nothing(tmp_path: Path, authority: Authority) -> None:
    with a_service(authority.issue("good"), mutual=True) as server:
        outcome = deliver(server, Trust(authority.file), tmp_path)
    assert reason_of(outcome)
    assert server.heard == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_not_spoken(
    tmp_path: Path, authority: Authority, version: ssl.TLSVersion
) -> None:
    with a_service(authority.issue("old"), version=version) as server:
        outcome = deliver(server, Trust(authority.file), tmp_path)
    assert "TLS with the destination failed" in reason_of(outcome)


def test_http_where_https_was_meant_is_a_tls_trouble(tmp_path: Path, authority: Authority) -> None:
    with serving(Store(lambda uid: None)) as server:
        server.url = server.url.replace("http:", "https:")
        outcome = deliver(server, Trust(authority.file), tmp_path)
    assert "TLS with the destination failed" in reason_of(outcome)


@pytest.mark.parametrize("name", ["authorities", "certificate", "key"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_files_that_are_none_are_named_or_said_to_be_of_tls(
    tmp_path: Path, authority: Authority, name: str, content: bytes | None
) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_bytes(content)
    ours = authority.issue("postern")
    files = {"authorities": authority.file, "certificate": ours.certificate, "key": ours.key, name: bad}
    with a_service(authority.issue("good")) as server:
        reason = reason_of(deliver(server, Trust(**files), tmp_path))
    assert f"`{name}`" in reason or "TLS with the destination failed" in reason
    assert (f"`{name}`" in reason) == (content != b"no certificate")
    assert server.heard == []
