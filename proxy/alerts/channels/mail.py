"""By e-mail, through Django's backend and its settings. One notice is one mail to all addresses."""

import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from proxy.alerts.channels import words
from proxy.alerts.channels.outcomes import NotTold
from proxy.routing.peers import file_of

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
    (TimeoutError, "It does not answer in time."),
    (ConnectionRefusedError, "Nothing listens at EMAIL_HOST on EMAIL_PORT."),
    (OSError, "It cannot be reached; check EMAIL_HOST, EMAIL_PORT and the network."),
)


class Backend(EmailBackend):
    """Believes the authorities of ALERT_AUTHORITIES, where those are said."""

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
        return NotTold(f"The mail server: {trouble(error)}")
    finally:
        with suppress(smtplib.SMTPException, OSError):
            line.close()
    return None


def trouble(error: Exception) -> str:
    return next(sentence for kind, sentence in TROUBLES if isinstance(error, kind))


def _authorities() -> Path | None:
    return file_of(settings.ALERT_AUTHORITIES)
