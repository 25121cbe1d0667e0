"""Whom we call, and how the call may end."""

from dataclasses import dataclass

from proxy.network.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Peer:
    ae_title: str
    host: str
    port: int
    calling_ae: str = "DICOMRCV"
    max_pdu: int = 16384
    acse_timeout: float = 30.0
    dimse_timeout: float = 60.0
    network_timeout: float = 60.0
    connect_timeout: float = 10.0
    tls: TlsFiles | None = None
    quirks: frozenset[str] = frozenset()


class Lost(Exception):
    """The association is gone, or never came to be; the message is a sentence for an operator."""
