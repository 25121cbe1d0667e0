"""DICOM over TLS against DCMTK's tools, with certificates made by the test."""

import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from proxy.network.scp import Listener, ListenSettings
from proxy.network.scu import Peer, echo, send
from proxy.network.seats import Seats
from proxy.network.tls import ServerTls, TlsFiles, TlsUnusable, client_context, expires_at, server_context
from tests.network.certificates import NOW, Authority
from tests.network.conftest import Listen
from tests.network.people import Guest, image, outgoing, run, storescp, wait_for, write
from tests.network.strangers import Stranger

HERE = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def mutual(files: TlsFiles) -> TlsFiles:
    return TlsFiles(files.certificate, files.key, files.authorities, mutual=True)


def shown(files: TlsFiles) -> tuple[object, ...]:
    return ("+tls", files.key, files.certificate, "+cf", files.authorities)


def test_an_echo_and_an_image_come_over_tls(listen: Listen, authority: Authority, inbox: Path) -> None:
    listener, guest = listen(tls=authority.issue("POSTERN"))
    path = write(image(rows=512), inbox)
    anonymous = ("+tla", "+cf", authority.file, "-aec", "DICOMRCV", HERE, listener.port)
    assert run("echoscu", *anonymous).returncode == 0
    assert run("storescu", *anonymous, path).returncode == 0
    assert guest.bags[0].ended == "finished"
    assert guest.callers[0].certificate_subject is None


def test_mutual_tls_tells_the_door_who_calls(listen: Listen, authority: Authority) -> None:
    listener, guest = listen(tls=mutual(authority.issue("POSTERN")))
    answer = run("echoscu", *shown(authority.issue("CT_EAST")), "-aec", "DICOMRCV", HERE, listener.port)
    assert answer.returncode == 0, answer.stdout
    assert guest.callers[0].certificate_subject == "commonName=CT_EAST"


def test_mutual_tls_lets_nobody_in_without_a_certificate(listen: Listen, authority: Authority) -> None:
    listener, guest = listen(tls=mutual(authority.issue("POSTERN")))
    answer = run("echoscu", "+tla", "+cf", authority.file, "-aec", "DICOMRCV", HERE, listener.port)
    assert answer.returncode != 0
    assert guest.callers == []


def test_a_certificate_of_another_authority_is_refused(
    listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    listener, guest = listen(tls=mutual(authority.issue("POSTERN")))
    other = Authority(tmp_path / "other", "Other Authority").issue("CT_EAST")
    answer = run("echoscu", "+tls", other.key, other.certificate, "+cf", authority.file, HERE, listener.port)
    assert answer.returncode != 0
    assert guest.callers == []


def test_plain_dicom_on_the_tls_port_gets_nothing(listen: Listen, authority: Authority) -> None:
    listener, guest = listen(tls=authority.issue("POSTERN"))
    assert run("echoscu", "-ta", 3, "-aec", "DICOMRCV", HERE, listener.port).returncode != 0
    assert guest.callers == []


def test_an_old_protocol_is_refused(listen: Listen, authority: Authority) -> None:
    listener, _ = listen(tls=authority.issue("POSTERN"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(authority.file))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-SHA256:@SECLEVEL=0")  # no forward secrecy
    with socket.create_connection((HERE, listener.port), 5) as plain, pytest.raises(OSError):
        context.wrap_socket(plain, server_hostname=HERE)


def test_contexts_never_go_below_tls_1_2(authority: Authority) -> None:
    files = authority.issue("POSTERN")
    for context in (server_context(files), client_context(files)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        names = {suite["name"] for suite in context.get_ciphers()}
        assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
        assert not any("CBC" in name or name.endswith(("-SHA", "-SHA256-CBC")) for name in names)


def test_a_handshake_that_never_ends_is_cut_off(listen: Listen, authority: Authority) -> None:
    listener, _ = listen(tls=authority.issue("POSTERN"), acse_timeout=0.3)
    with Stranger(listener.port) as stranger:
        stranger.say(b"\x16\x03\x01\x02\x00")
        assert stranger.hung_up()
    words = ("echoscu", "+tla", "+cf", authority.file, "-aec", "X", HERE, listener.port)
    wait_for(lambda: run(*words).returncode == 0)  # a busy machine may need longer than that, too


def test_we_send_over_tls(authority: Authority, tmp_path: Path, inbox: Path) -> None:
    items = [outgoing(image(number, rows=512), tmp_path, number) for number in range(3)]
    with storescp(inbox, *shown(authority.issue("ARCHIVE"))) as port:
        peer = Peer("ARCHIVE", HERE, port, tls=authority.issue("POSTERN"))
        assert echo(peer).ok
        summary = send(peer, items, lambda result: None, lambda: True)
    assert summary.stored == 3
    assert len(list(inbox.iterdir())) == 3


def test_a_peer_we_cannot_trust_gets_nothing(authority: Authority, tmp_path: Path, inbox: Path) -> None:
    stranger = Authority(tmp_path / "other", "Other Authority")
    with storescp(inbox, "+tls", *_pair(stranger.issue("ARCHIVE")), "+cf", authority.file) as port:
        result = echo(Peer("ARCHIVE", HERE, port, tls=authority.issue("POSTERN")))
    assert not result.ok
    assert "its certificate is not accepted: unable to get local issuer" in result.reason


@pytest.mark.parametrize(
    ("ours", "said"), [({"days": -1}, "expired"), ({"address": "192.0.2.1"}, "IP address mismatch")]
)
def test_what_is_wrong_with_a_peers_certificate_is_said(
    authority: Authority, inbox: Path, ours: dict[str, Any], said: str
) -> None:
    theirs = authority.issue("ARCHIVE", **ours)
    with storescp(inbox, *shown(theirs)) as port:
        result = echo(Peer("ARCHIVE", HERE, port, tls=authority.issue("POSTERN")))
    assert not result.ok
    assert said in result.reason


def test_a_peer_that_wants_a_certificate_of_ours_is_understood(
    authority: Authority, inbox: Path, tmp_path: Path
) -> None:
    with storescp(inbox, *shown(authority.issue("ARCHIVE"))) as port:
        stranger = Authority(tmp_path / "other", "Other Authority").issue("POSTERN")
        bare = TlsFiles(authorities=authority.file)
        for files in (bare, TlsFiles(stranger.certificate, stranger.key, authority.file)):
            result = echo(Peer("ARCHIVE", HERE, port, tls=files))
            assert not result.ok
            assert "TLS failed" in result.reason or "does it trust our certificate?" in result.reason


def _pair(files: TlsFiles) -> tuple[object, object]:
    return files.key, files.certificate


def test_a_renewed_certificate_needs_no_restart(authority: Authority) -> None:
    files = authority.issue("POSTERN")
    tls = ServerTls(files)
    before = tls.context()
    assert tls.context() is before
    authority.issue("POSTERN")
    assert tls.context() is not before


def test_a_spoilt_renewal_leaves_the_old_certificate_in_force(authority: Authority) -> None:
    files = authority.issue("POSTERN")
    tls = ServerTls(files)
    before = tls.context()
    assert files.certificate is not None
    files.certificate.write_text("half a certifi")
    assert tls.context() is before


def test_what_cannot_be_used_is_named(authority: Authority, tmp_path: Path) -> None:
    files = authority.issue("POSTERN")
    with pytest.raises(TlsUnusable, match="needs the authorities"):
        server_context(TlsFiles(files.certificate, files.key, mutual=True))
    with pytest.raises(TlsUnusable, match=r"missing\.pem"):
        server_context(TlsFiles(tmp_path / "missing.pem", files.key))


def test_the_day_of_expiry_is_read(authority: Authority) -> None:
    files = authority.issue("POSTERN", days=10)
    assert files.certificate is not None
    assert timedelta(days=9) < expires_at(files.certificate) - NOW < timedelta(days=11)


def test_two_ports_share_their_seats(authority: Authority) -> None:
    seats = Seats(1)
    plain = Listener(ListenSettings(port=0, bind=HERE), Guest(), seats)
    secure = Listener(ListenSettings(port=0, bind=HERE, tls=authority.issue("POSTERN")), Guest(), seats)
    plain.start()
    secure.start()
    try:
        with Stranger(plain.port) as first:
            assert first.associate()[0] == 2
            answer = run("echoscu", "-v", "+tla", "+cf", authority.file, HERE, secure.port)
            assert "Local Limit Exceeded" in answer.stdout
    finally:
        plain.stop(0)
        secure.stop(0)
