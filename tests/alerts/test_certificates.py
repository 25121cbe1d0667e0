"""Certificates that end: judged with plain values, read from real files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.alerts.rules import BY_NAME
from proxy.alerts.rules.certificates import Term, judge
from proxy.routing.models import Destination
from tests.deliveries.builders import a_folder
from tests.network.certificates import Authority

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)


def term(left: timedelta, subject: str = "CN=postern", begins_at: datetime = LONG_AGO) -> Term:
    return Term(subject, begins_at, NOW + left)


@pytest.mark.parametrize(
    ("left", "weight"),
    [
        (timedelta(days=31), 0),
        (timedelta(days=30), 0),
        (timedelta(days=29, hours=23), 1),
        (timedelta(days=14), 2),
        (timedelta(days=3), 4),
        (timedelta(seconds=1), 4),
        (timedelta(0), 8),
        (timedelta(days=-90), 8),
    ],
)
def test_the_nearer_the_end_the_more_it_weighs(left: timedelta, weight: int) -> None:
    finding = judge("tls", [term(left)], NOW, 30)
    assert (finding.weight if finding else 0) == weight


def test_it_says_when() -> None:
    finding = judge("tls", [term(timedelta(days=9, hours=5))], NOW, 30)
    assert finding is not None
    assert finding.sentence == "A certificate expires in 9 days, on 2026-03-10 17:00 UTC."


def test_of_a_chain_the_one_that_ends_first_counts() -> None:
    chain = [term(timedelta(days=300)), term(timedelta(days=5), "CN=between")]
    assert judge("tls", chain, NOW, 30) is not None


def test_an_old_authority_beside_its_successor_is_left_alone() -> None:
    both = [term(timedelta(days=-5), "CN=CA"), term(timedelta(days=900), "CN=CA")]
    assert judge("authorities", both, NOW, 30, last_of_a_name=True) is None
    assert judge("chain", both, NOW, 30) is not None
    another = [*both, term(timedelta(days=5), "CN=Other CA")]
    assert judge("authorities", another, NOW, 30, last_of_a_name=True) is not None


def test_one_that_does_not_count_yet_is_told() -> None:
    finding = judge("tls", [term(timedelta(days=300), begins_at=NOW + timedelta(hours=1))], NOW, 30)
    assert finding is not None and "valid from 2026-03-01 13:00 UTC only" in finding.sentence


@pytest.mark.django_db
def test_all_files_that_we_use_are_read(settings: LazySettings, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    settings.DICOM_TLS_CERTIFICATE = str(authority.issue("ours", days=5).certificate)
    settings.DICOM_TLS_AUTHORITIES = str(authority.file)
    outbox = a_folder()
    soon, broken = authority.issue("theirs", days=2), tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    Destination.objects.filter(pk=outbox.pk).update(
        certificate=str(soon.certificate), authorities=str(broken)
    )
    found = {one.subject: one for one in BY_NAME["certificate"].look(datetime.now(UTC))}
    assert {name: one.weight for name, one in found.items()} == {
        "DICOM_TLS_CERTIFICATE": 2,
        "DICOM_TLS_AUTHORITIES": 1,
        "outbox (client certificate)": 4,
        "outbox (authorities)": 8,
    }
    assert str(tmp_path) not in " ".join(one.sentence for one in found.values())


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\x00\xff"])
def test_a_file_that_cannot_be_read_is_told(
    settings: LazySettings, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "tls.pem"
    if content is not None:
        file.write_bytes(content)
    settings.DICOM_TLS_CERTIFICATE = str(file)
    [finding] = BY_NAME["certificate"].look(NOW)
    assert finding.sentence == "The file cannot be read as certificates in PEM."
