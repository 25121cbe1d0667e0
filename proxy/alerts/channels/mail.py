"""By e-mail, through Django's backend and its settings. One notice is one mail to all addresses."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from proxy.alerts.channels import words
from proxy.alerts.channels.outcomes import NotTold
from proxy.routing.peers import file_of

SECONDS: Final = 60.0
TOO_SLOW: Final = "It does not answer in time."
TROUBLES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (smtplib.SMTPAuthenticationError, "It does not accept EMAIL_HOST_USER with EMAIL_HOST_PASSWORD."),
    (smtplib.SMTPNotSupportedError, "It does not offer what we ask for; check EMAIL_SECURITY."),
    (smtplib.SMTPSenderRefused, "It does not take mail from EMAIL_FROM."),
    (smtplib.SMTPRecipientsRefused, "It takes mail for none of ALERT_EMAIL_TO."),
    (smtplib.SMTPException, "It did not take the mail."),
    (
        ssl.SSLCertVerificationError,
        "We do not believe its certificate; see ALERT_AUTHORITIES and EMAIL_HOST.",
    ),
    (ssl.SSLError, "TLS with it fails; check EMAIL_SECURITY and EMAIL_PORT."),
    (TimeoutError, TOO_SLOW),
    (ConnectionRefusedError, "Nothing listens at EMAIL_HOST on EMAIL_PORT."),
    (OSError, "It cannot be reached; check EMAIL_HOST, EMAIL_PORT and the network."),
)


class _Bounded(smtplib.SMTP):
    """A server that answers one byte a second is always in time. `SECONDS` after it was reached the line is cut."""

    _timer: threading.Timer | None = None

    def __init__(self, *args: Any, was_cut: threading.Event, **facts: Any) -> None:
        self._was_cut = was_cut
        super().__init__(*args, **facts)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        self._timer = threading.Timer(SECONDS, self._cut)
        self._timer.daemon = True
        self._timer.start()
        try:
            return super()._get_socket(host, port, timeout)  # type: ignore[misc]
        except BaseException:
            self._timer.cancel()  # nobody closes what was never open
            raise

    def _cut(self) -> None:
        self._was_cut.set()
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().close()


class _BoundedTls(_Bounded, smtplib.SMTP_SSL):
    """With TLS from the first byte."""


class Backend(EmailBackend):
    """Believes the authorities of ALERT_AUTHORITIES, where those are said, and waits for nobody for long."""

    @cached_property
    def was_cut(self) -> threading.Event:
        return threading.Event()

    @property
    def connection_class(self) -> Callable[..., smtplib.SMTP]:  # type: ignore[override]
        return partial(_BoundedTls if self.use_ssl else _Bounded, was_cut=self.was_cut)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=_authorities())


def place() -> str:
    if not settings.ALERT_EMAIL_TO:
        return ""
    return f"{', '.join(settings.ALERT_EMAIL_TO)} by {settings.EMAIL_HOST}:{settings.EMAIL_PORT}"


def tell(body: Mapping[str, Any]) -> NotTold | None:
    """None: the server has taken it."""
    line = Backend()
    message = EmailMessage(
        words.subject(body),
        words.text(body),
        settings.EMAIL_FROM,
        settings.ALERT_EMAIL_TO,
        headers={"Message-ID": f"<{body['id']}@postern>", "Auto-Submitted": "auto-generated"},
        connection=line,
    )
    try:
        line.open()  # so that it is ours to close: what a server says to the goodbye takes no mail back
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        return NotTold(f"The mail server: {TOO_SLOW if line.was_cut.is_set() else trouble(error)}")
    finally:
        with suppress(smtplib.SMTPException, OSError):
            line.close()
    return None


def trouble(error: Exception) -> str:
    return next(sentence for kind, sentence in TROUBLES if isinstance(error, kind))


def _authorities() -> Path | None:
    return file_of(settings.ALERT_AUTHORITIES)
