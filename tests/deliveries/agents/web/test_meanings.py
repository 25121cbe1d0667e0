"""Every status of HTTP has a meaning, and Retry-After is understood in both of its forms."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deliveries.agents.web.meanings import LONGEST, Kind, meaning, retry_after
from proxy.deliveries.outcomes import Refused, TryLater

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def test_every_status_has_a_sentence_with_its_number() -> None:
    for status in (*range(0, 1000), -1, 99_999):
        found = meaning(status)
        assert found.sentence.startswith("The destination ")
        assert found.sentence.endswith(".")
        assert str(status) in found.sentence


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599, 204, 100])
def test_what_passes_is_tried_later(status: int) -> None:
    assert meaning(status).kind is Kind.LATER


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 407, 501])
def test_what_needs_a_person_waits_for_one_without_a_decision_for_each_study(status: int) -> None:
    assert meaning(status).kind is Kind.PERSON
    outcome = meaning(status).outcome()
    assert isinstance(outcome, TryLater)
    assert outcome.rests


@pytest.mark.parametrize("status", [400, 409, 413, 415, 418, 422])
def test_what_was_wrong_with_the_images_is_refused(status: int) -> None:
    assert isinstance(meaning(status).outcome(), Refused)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Thu, 15 Jan 2026 09:31:00 GMT", 60),
        ("Thursday, 15-Jan-26 09:31:00 GMT", 60),
        ("Thu, 15 Jan 2026 09:29:00 GMT", 0),
        ("Thu, 15 Jan 2026 11:30:30 +0200", 30),
        ("9" * 40, LONGEST.total_seconds()),
        ("Fri, 15 Jan 2199 09:30:00 GMT", LONGEST.total_seconds()),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-5", "1.5", "٣", "Thu, 99 Foo 2026", "Thu, 15 Jan 99999 00:00:00"]
)
def test_what_is_neither_is_no_wish(value: str | None) -> None:
    assert retry_after(value, NOW) is None


@given(st.text())
def test_whatever_stands_there_ends_nothing(value: str) -> None:
    found = retry_after(value, NOW)
    assert found is None or timedelta(0) <= found <= LONGEST
