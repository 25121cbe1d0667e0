"""How we reach a node: the one place where its row and our settings become an address to call."""

from pathlib import Path

from django.conf import settings

from proxy.network.quirks import pdu_limit
from proxy.network.scu import Peer
from proxy.network.tls import TlsFiles
from proxy.routing.models import Node

CONNECT_TIMEOUT = 10  # seconds


def peer_of(node: Node, patience: float | None = None) -> Peer:
    """With `patience`, in seconds, nothing is waited for any longer than that."""
    network = patience or settings.DICOM_NETWORK_TIMEOUT
    quirks = frozenset(node.quirks)
    return Peer(
        ae_title=node.ae_title,
        host=node.host,
        port=node.port,
        calling_ae=settings.DICOM_AE_TITLE,
        max_pdu=pdu_limit(settings.DICOM_MAX_PDU_SIZE, quirks),
        acse_timeout=patience or settings.DICOM_ACSE_TIMEOUT,
        dimse_timeout=patience or settings.DICOM_DIMSE_TIMEOUT,
        network_timeout=network,
        connect_timeout=min(CONNECT_TIMEOUT, network),
        tls=_tls(node),
        quirks=quirks,
    )


def _tls(node: Node) -> TlsFiles | None:
    """Our certificate is shown if we have one; without authorities of our own those of the system are trusted."""
    if node.tls == Node.OFF:
        return None
    return TlsFiles(
        certificate=file_of(settings.DICOM_TLS_CERTIFICATE),
        key=file_of(settings.DICOM_TLS_KEY),
        authorities=file_of(settings.DICOM_TLS_AUTHORITIES),
        check_host=node.tls != Node.ANY_NAME,
    )


def file_of(name: str) -> Path | None:
    """A file named by a setting, relative to the program's folder."""
    return settings.BASE_DIR / name if name else None
