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


class Rejected(Lost):
    """By an A-ASSOCIATE-RJ; `numbers` are its result, source and reason (PS3.8 9.3.4)."""

    def __init__(self, why: str, numbers: tuple[int, int, int]) -> None:
        super().__init__(why)
        self.numbers = numbers
