"""Messages to a syslog server over TLS: RFC 5424 in the frames of RFC 5425.

Syslog answers nothing. So each batch goes over a connection of its own. A server that lets us in is still there a
moment after the last message (with TLS 1.3 a client hears only then that its certificate is not liked), and ends the
connection in order after our farewell. Anything else counts as not sent.
"""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

PRIORITY: Final = 85  # facility 10 (security), severity 5 (notice): PS3.15 A.6
MESSAGE_ID: Final = "DICOM+RFC3881"
BOM: Final = b"\xef\xbb\xbf"
PATIENCE: Final = 10.0  # seconds
A_MOMENT: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is, whom we believe (empty: the system's authorities), and who we say we are (empty: nobody)."""

    host: str
    port: int
    authorities: str = ""
    certificate: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class NotSent(Exception):
    """The server's or the network's fault; the sentence says what to look at."""


def frame(message: bytes, at: datetime, host: str, app: str, process: str) -> bytes:
    """One frame: its length, a space, and the RFC 5424 message."""
    time = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = f"<{PRIORITY}>1 {time} {_word(host, 255)} {_word(app, 48)} {_word(process, 128)} {MESSAGE_ID} - "
    said = head.encode("ascii") + BOM + message
    return str(len(said)).encode("ascii") + b" " + said


def _word(text: str, longest: int) -> str:
    """RFC 5424: printable ASCII without spaces; a hyphen for nothing."""
    return "".join(one for one in text if "!" <= one <= "~")[:longest] or "-"


def send(server: Server, frames: Iterable[bytes], patience: float = PATIENCE) -> None:
    """All of them. Raises NotSent; then none counts as sent, and all are sent again."""
    try:
        with (
            socket.create_connection((server.host, server.port), patience) as plain,
            _context(server).wrap_socket(plain, server_hostname=server.host) as line,
        ):
            for one in frames:
                line.sendall(one)
            _must_be_there(line, server)
            line.settimeout(patience)
            _farewell(line)
    except ssl.SSLCertVerificationError:
        raise NotSent(
            f"The certificate of {server} is not believed: check AUDIT_SYSLOG_AUTHORITIES."
        ) from None
    except ssl.SSLError:
        raise NotSent(f"{server} did not speak TLS to the end: does it want a certificate of ours?") from None
    except TimeoutError:
        raise NotSent(f"{server} did not answer in time.") from None
    except OSError:
        raise NotSent(
            f"{server} cannot be reached, or broke off: check AUDIT_SYSLOG and the server."
        ) from None


def _must_be_there(line: ssl.SSLSocket, server: Server) -> None:
    line.settimeout(A_MOMENT)
    with suppress(TimeoutError):  # it has nothing to say, as it should be
        if not line.recv(1):
            raise NotSent(f"{server} broke off: does it want a certificate of ours?")


def _farewell(line: ssl.SSLSocket) -> None:
    """Some servers answer with their own farewell, some just hang up in order."""
    try:
        line.unwrap()
    except ssl.SSLEOFError:
        return
    except ssl.SSLError as error:
        if error.reason not in {"APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "UNEXPECTED_EOF_WHILE_READING"}:
            raise


def _context(server: Server) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=server.authorities or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.certificate:
        context.load_cert_chain(Path(server.certificate), Path(server.key) if server.key else None)
    return context
