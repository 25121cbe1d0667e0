"""TLS for DICOM by the profile BCP 195 RFC 8996, 9325 (PS3.15 B.12).

TLS 1.2 at least; with 1.2 only suites with forward secrecy and authenticated encryption, and nothing weaker
even if the peer asks. Asked for mutual authentication, a server takes no caller without a certificate of its
authorities. Certificate files are read again when they change, so a renewed one needs no restart.
"""

import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP"


class TlsUnusable(ValueError):
    """Certificates or keys cannot be used; the message is a sentence that names the file."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `authorities` are those whose certificates we trust in a peer.

    A server with `mutual` demands a certificate of every caller. A client checks that the peer's certificate
    names the host it called, unless `check_host` says that a private authority is proof enough.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    mutual: bool = False
    check_host: bool = True

    @property
    def all(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.authorities) if path is not None)


class ServerTls:
    """The context for the next handshake; connections that stand keep what they agreed on."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamps = _stamps(files)
        self._context = server_context(files)

    def context(self) -> ssl.SSLContext:
        """Files that changed and cannot be read leave the last good ones in force."""
        with self._lock:
            stamps = _stamps(self._files)
            if stamps and stamps != self._stamps:
                self._renew(stamps)
            return self._context

    def _renew(self, stamps: tuple[int, ...]) -> None:
        try:
            self._context = server_context(self._files)
        except TlsUnusable:
            return
        self._stamps = stamps


def _stamps(files: TlsFiles) -> tuple[int, ...]:
    try:
        return tuple(path.stat().st_mtime_ns for path in files.all)
    except OSError:
        return ()


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Raises TlsUnusable."""
    if files.certificate is None or files.key is None:
        raise TlsUnusable("A TLS listener needs a certificate and its key.")
    if files.mutual and files.authorities is None:
        raise TlsUnusable("Mutual TLS needs the authorities whose certificates callers may show.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED if files.mutual else ssl.CERT_NONE
    return _furnished(context, files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Raises TlsUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = files.check_host
    if files.authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return _furnished(context, files)


def _furnished(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        if files.authorities is not None:
            context.load_verify_locations(cafile=str(files.authorities))
        if files.certificate is not None:
            context.load_cert_chain(str(files.certificate), str(files.key) if files.key else None)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(path.name for path in files.all)
        raise TlsUnusable(f"TLS cannot use {names}: {type(error).__name__}.") from None
    return context


def expires_at(certificate: Path) -> datetime:
    """When the first certificate of a PEM file expires. Raises TlsUnusable."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.astimezone(UTC)
    except (OSError, ValueError) as error:
        raise TlsUnusable(f"{certificate.name} holds no certificate ({type(error).__name__}).") from None
