"""Certificates that end: ours, those we show to destinations, and the authorities we believe."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from django.conf import settings

from proxy.alerts.findings import HOUR, Finding, Rule, counted
from proxy.routing.models import Destination
from proxy.routing.peers import file_of

WEIGHTS: Final = ((0, 8), (3, 4), (14, 2))
"""In days: at so many or fewer left, this weight."""
UNREADABLE: Final = 8


@dataclass(frozen=True, slots=True)
class File:
    """A PEM file by what it is for; its path stays here. Of authorities, an old one may stand beside its successor."""

    what: str
    path: Path
    authorities: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    subject: str
    begins_at: datetime
    ends_at: datetime


def certificates(now: datetime) -> Iterator[Finding]:
    for file in files():
        finding = look_at(file, now, settings.ALERT_CERTIFICATE_DAYS)
        if finding is not None:
            yield finding


def files() -> Iterator[File]:
    """Every file of certificates that we use."""
    if settings.DICOM_TLS_CERTIFICATE:
        yield from _file("DICOM_TLS_CERTIFICATE", settings.DICOM_TLS_CERTIFICATE)
    yield from _file("DICOM_TLS_AUTHORITIES", settings.DICOM_TLS_AUTHORITIES, authorities=True)
    yield from _file("ALERT_AUTHORITIES", settings.ALERT_AUTHORITIES, authorities=True)
    for row in Destination.objects.filter(retired_at=None).order_by("name"):
        yield from _file(f"{row.name} (client certificate)", row.certificate)
        yield from _file(f"{row.name} (authorities)", row.authorities, authorities=True)


def _file(what: str, name: str, *, authorities: bool = False) -> Iterator[File]:
    path = file_of(name)
    if path is not None:
        yield File(what, path, authorities)


def look_at(file: File, now: datetime, days: int) -> Finding | None:
    try:
        terms = terms_of(file.path)
    except (OSError, ValueError):
        return Finding(file.what, "The file cannot be read as certificates in PEM.", UNREADABLE)
    return judge(file.what, terms, now, days, last_of_a_name=file.authorities)


def terms_of(path: Path) -> list[Term]:
    """Raises OSError, or ValueError where there is no certificate."""
    found = x509.load_pem_x509_certificates(path.read_bytes())
    return [
        Term(
            one.subject.rfc4514_string(),
            one.not_valid_before_utc.astimezone(UTC),
            one.not_valid_after_utc.astimezone(UTC),
        )
        for one in found
    ]


def judge(
    what: str, terms: list[Term], now: datetime, days: int, *, last_of_a_name: bool = False
) -> Finding | None:
    """The term that ends first. `last_of_a_name`: of several of one name, the one that lasts longest counts."""
    lasting: dict[str, Term] = {}
    for number, one in enumerate(terms):
        name = one.subject if last_of_a_name else str(number)
        if name not in lasting or lasting[name].ends_at < one.ends_at:
            lasting[name] = one
    first = min(lasting.values(), key=lambda one: one.ends_at)
    begins_at = max(one.begins_at for one in lasting.values())
    if begins_at > now:
        return Finding(what, f"A certificate is valid from {begins_at:%Y-%m-%d %H:%M} UTC only.", 4)
    left = first.ends_at - now
    return Finding(what, _sentence(first, left), _weight(left)) if left < timedelta(days=days) else None


def _weight(left: timedelta) -> int:
    return next((weight for days, weight in WEIGHTS if left <= timedelta(days=days)), 1)


def _sentence(term: Term, left: timedelta) -> str:
    if left <= timedelta(0):
        return f"A certificate has expired on {term.ends_at:%Y-%m-%d %H:%M} UTC; connections are refused."
    return f"A certificate expires in {counted(left.days, 'day')}, on {term.ends_at:%Y-%m-%d %H:%M} UTC."


RULES: Final = (
    Rule(
        "certificate",
        "a certificate ends",
        "Put the new one in the place of the old file. `listen` reads it at the next connection, deliveries at the next"
        " try; nothing needs a restart.",
        certificates,
        every=HOUR,
        calm=HOUR,
    ),
)
