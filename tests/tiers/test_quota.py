"""A quota is taken before the work, whole or not at all, and what was of no use is given back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier

import pytest
from django.db import connections

from proxy.tiers import quota
from proxy.tiers.models import Customer, Usage
from proxy.tiers.quota import Limit, Refused, Taken, Used
from proxy.tiers.table import ALL, ENTERPRISE, FREE, PRO, TIERS
from tests.tiers.conftest import NOON, made
from tests.vault.crowd import at_once

TIER = TIERS[FREE]


def used(files: int = 0, requests: int = 0, now: datetime = NOON) -> Used:
    return Used(
        quota.month_of(now),
        quota.next_month(now),
        files=files,
        minute=quota.minute_of(now),
        minute_requests=requests,
    )


# --- deciding -------------------------------------------------------------------------------------


def test_the_last_file_of_the_month_passes_and_the_next_waits_for_another_month() -> None:
    assert quota.refusal(TIER, used(files=49), 1, 1, NOON) is None
    refused = quota.refusal(TIER, used(files=50), 1, 1, NOON)
    assert refused is not None and refused.limit is Limit.FILES
    assert refused.retry_after == datetime(2026, 12, 1, tzinfo=UTC) - NOON


def test_what_would_cross_the_quota_is_refused_whole_and_hears_how_much_is_left() -> None:
    refused = quota.refusal(TIER, used(files=48), 3, 1, NOON)
    assert refused is not None and "2 are left" in refused.reason
    refused = quota.refusal(TIER, used(files=48), 51, 1, NOON)
    assert refused is not None and "51 at once" in refused.reason


def test_the_minute_has_its_own_limit_and_its_own_wait() -> None:
    assert quota.refusal(TIER, used(requests=59), 1, 1, NOON) is None
    refused = quota.refusal(TIER, used(requests=60), 1, 1, NOON)
    assert refused is not None and refused.limit is Limit.REQUESTS
    assert refused.retry_after == timedelta(seconds=53)
    later = NOON + timedelta(seconds=53)
    assert quota.refusal(TIER, used(requests=60), 1, 1, later) is None
    assert quota.refusal(TIER, used(requests=60), 1, 0, NOON) is None, "by DICOM"


@pytest.mark.parametrize(
    ("now", "month", "renews"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), "2028-02", datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2027, 1, 31, tzinfo=UTC), "2027-01", datetime(2027, 2, 1, tzinfo=UTC)),
        (
            datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            "2026-11",
            datetime(2026, 12, 1, tzinfo=UTC),
        ),
    ],
)
def test_months_are_those_of_utc(now: datetime, month: str, renews: datetime) -> None:
    assert (quota.month_of(now), quota.next_month(now)) == (month, renews)


def test_every_tier_says_what_it_allows() -> None:
    assert [(tier.name, tier.files, tier.jobs) for tier in ALL] == [
        ("free", 50, False),
        ("pro", 10_000, False),
        ("annual", 10_000, False),
        ("enterprise", None, True),
    ]


# --- counting -------------------------------------------------------------------------------------


def test_what_is_taken_counts_and_what_is_refused_does_not(customer: Customer) -> None:
    assert quota.take(customer, 48, 1_000, NOON) == Taken(48, 48)
    refused = quota.take(customer, 3, 1_000, NOON)
    assert isinstance(refused, Refused) and refused.limit is Limit.FILES
    taken = quota.take(customer, 2, 500, NOON)
    assert isinstance(taken, Taken) and taken.used == 50
    row = Usage.objects.get()
    assert (row.month, row.files, row.size, row.requests) == ("2026-11", 50, 1_500, 2)


def test_the_same_again_counts_again_and_another_month_begins_at_nothing(customer: Customer) -> None:
    for _ in range(2):
        assert isinstance(quota.take(customer, 25, 1, NOON), Taken)
    assert isinstance(quota.take(customer, 1, 1, NOON), Refused)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert isinstance(quota.take(customer, 50, 1, december), Taken)


def test_nobody_takes_less_than_nothing(customer: Customer) -> None:
    for files, size, requests in ((-1, 0, 1), (0, -1, 1), (0, 0, 2), (0, 0, -1)):
        with pytest.raises(ValueError, match="never added"):
            quota.take(customer, files, size, NOON, requests=requests)
    assert not Usage.objects.exists()


def test_more_requests_than_a_minute_allows(customer: Customer) -> None:
    outcomes = [quota.take(customer, 0, 1, NOON) for _ in range(61)]
    assert [isinstance(one, Taken) for one in outcomes] == [True] * 60 + [False]
    refused = outcomes[-1]
    assert isinstance(refused, Refused) and refused.limit is Limit.REQUESTS
    assert isinstance(quota.take_many(customer, 1, 1, NOON), Taken), "by DICOM"
    assert isinstance(quota.take(customer, 0, 1, NOON + timedelta(seconds=53)), Taken)


def test_a_clock_that_is_put_back_locks_nobody_out(customer: Customer) -> None:
    for _ in range(60):
        quota.take(customer, 0, 1, NOON + timedelta(hours=1))
    assert isinstance(quota.take(customer, 0, 1, NOON), Taken)


def test_a_request_that_is_too_large_will_never_do(customer: Customer) -> None:
    refused = quota.take(customer, 1, TIER.size + 1, NOON)
    assert isinstance(refused, Refused)
    assert (refused.limit, refused.retry_after) == (Limit.SIZE, None)
    assert not Usage.objects.exists()


def test_another_tier_allows_more_at_once(customer: Customer) -> None:
    customer.tier = PRO
    assert isinstance(quota.take(customer, 10_000, 1, NOON), Taken)
    assert isinstance(quota.take(customer, 1, 1, NOON), Refused)
    customer.tier = ENTERPRISE
    assert isinstance(quota.take(customer, 1_000_000, 1, NOON), Taken)


def test_whether_there_is_room_takes_nothing(customer: Customer) -> None:
    assert quota.has_room(customer, NOON) is None
    assert not Usage.objects.exists()
    quota.take(customer, 50, 1, NOON)
    assert quota.has_room(customer, NOON) is not None
    assert quota.of_month(customer, NOON).files == 50


@pytest.mark.django_db(transaction=True)
def test_fifty_at_the_edge_of_the_quota_get_exactly_what_is_left() -> None:
    """They come at the same moment, into a month that nobody has begun."""
    customer, askers = made(), 50
    start = Barrier(askers)

    def ask(number: int) -> bool:
        try:
            start.wait(60)
            return isinstance(quota.take_many(customer, 3, 10, NOON), Taken)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(askers) as pool:
        got = sum(pool.map(ask, range(askers)))
    assert got == 16
    assert Usage.objects.get().files == 48


def take_what_there_is(number: int) -> int:
    """How many files this process has taken."""
    customer = Customer.objects.get()
    return sum(isinstance(quota.take_many(customer, 1, 10, NOON), Taken) for _ in range(30))


@pytest.mark.django_db(transaction=True)
def test_processes_that_take_at_once_lose_and_win_nothing() -> None:
    made()
    got = sum(at_once(4, take_what_there_is))
    assert got == Usage.objects.get().files == 50
