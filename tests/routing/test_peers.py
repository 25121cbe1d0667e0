"""How a node is reached, from its row and our settings to a real peer over TLS."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.network.scu import echo
from proxy.network.tls import TlsFiles
from proxy.routing.models import Node
from proxy.routing.peers import peer_of
from tests.network.certificates import Authority
from tests.network.people import storescp


def node(port: int = 104, **said: object) -> Node:
    return Node(name="ARCHIVE", ae_title="ARCHIVE", host="127.0.0.1", port=port, **said)


def test_a_node_is_called_by_what_the_settings_say(settings: LazySettings) -> None:
    settings.DICOM_NETWORK_TIMEOUT, settings.DICOM_MAX_PDU_SIZE = 7, 131_072
    peer = peer_of(node())
    assert (peer.calling_ae, peer.max_pdu, peer.network_timeout, peer.connect_timeout) == (
        "DICOMRCV",
        131_072,
        7,
        7,
    )
    assert peer.tls is None
    assert peer_of(node(), patience=2).dimse_timeout == 2


def test_its_quirks_go_along(settings: LazySettings) -> None:
    settings.DICOM_MAX_PDU_SIZE = 131_072
    peer = peer_of(node(quirks=["small-pdu"]))
    assert (peer.quirks, peer.max_pdu) == (frozenset({"small-pdu"}), 16_384)


@pytest.mark.parametrize(("tls", "checked"), [(Node.ON, True), (Node.ANY_NAME, False)])
def test_tls_uses_our_own_certificate_and_authorities(
    settings: LazySettings, tls: str, checked: bool
) -> None:
    settings.DICOM_TLS_CERTIFICATE, settings.DICOM_TLS_KEY = "/keys/c.pem", "/keys/k.pem"
    settings.DICOM_TLS_AUTHORITIES = "/keys/a.pem"
    files = Path("/keys/c.pem"), Path("/keys/k.pem"), Path("/keys/a.pem")
    assert peer_of(node(tls=tls)).tls == TlsFiles(*files, check_host=checked)


def test_without_files_of_our_own_the_systems_authorities_are_trusted() -> None:
    assert peer_of(node(tls=Node.ON)).tls == TlsFiles()


@pytest.mark.peers
@pytest.mark.parametrize(
    ("address", "tls", "reached"),
    [("127.0.0.1", Node.ON, True), ("192.0.2.1", Node.ON, False), ("192.0.2.1", Node.ANY_NAME, True)],
)
def test_a_real_peer_with_and_without_its_own_name(
    tmp_path: Path, settings: LazySettings, address: str, tls: str, reached: bool
) -> None:
    authority = Authority(tmp_path / "authority")
    ours, theirs = authority.issue("POSTERN"), authority.issue("ARCHIVE", address=address)
    settings.DICOM_TLS_CERTIFICATE, settings.DICOM_TLS_KEY = str(ours.certificate), str(ours.key)
    settings.DICOM_TLS_AUTHORITIES = str(ours.authorities)
    shown = ("+tls", theirs.key, theirs.certificate, "+cf", authority.file)
    with storescp(tmp_path, *shown) as port:
        assert echo(peer_of(node(port, tls=tls), patience=5)).ok == reached
        assert not echo(peer_of(node(port), patience=5)).ok
