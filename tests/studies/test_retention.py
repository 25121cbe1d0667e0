"""When files may go: a table, and what never happens whatever the facts are (promise 3)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.studies import retention
from proxy.studies.lifecycle import LIFE
from proxy.studies.retention import Facts, Go, Keep, Policy, decide

DELIVERED = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = Policy(timedelta(days=7))
OVER = DELIVERED + timedelta(days=7)
TERM = DELIVERED + timedelta(days=30)


def facts(**changed: Any) -> Facts:
    known: dict[str, Any] = {"state": "delivered", "delivered": 2, "ended_at": DELIVERED}
    return Facts(**known | changed)


@pytest.mark.parametrize(
    ("changed", "policy", "verdict"),
    [
        ({}, WEEK, Go(DELIVERED)),
        ({"state": "receiving"}, WEEK, Keep(retention.NOT_OVER)),
        ({"state": "released", "undelivered": 1}, WEEK, Keep(retention.NOT_OVER)),
        ({"state": "released", "delivered": 0}, WEEK, Keep(retention.NOT_OVER)),
        ({"undelivered": 1}, WEEK, Keep(retention.NOT_OVER)),
        ({"delivered": 0}, WEEK, Keep(retention.NOBODY)),
        ({"state": "expired"}, WEEK, Keep(retention.GONE)),
        ({"state": "rejected", "delivered": 0}, WEEK, Keep(retention.REJECTED_HERE)),
        ({"state": "rejected", "delivered": 0}, Policy(timedelta(7), rejected=True), Go(DELIVERED)),
        ({"held": True}, WEEK, Keep(retention.HELD)),
        ({"held": True, "state": "rejected"}, Policy(timedelta(7), rejected=True), Keep(retention.HELD)),
        ({"coming_home": 1}, WEEK, Keep(retention.COMING_HOME)),
        ({"unproven": True}, WEEK, Keep(retention.UNPROVEN)),
        ({"ended_at": None}, WEEK, Keep(retention.UNKNOWN)),
        ({}, Policy(timedelta(7), by_itself=False), Keep(retention.NOT_BY_ITSELF)),
        ({}, Policy(timedelta(8)), Keep(retention.RETENTION, DELIVERED + timedelta(days=8))),
        ({"committed_until": TERM}, WEEK, Keep(retention.COMMITTED, TERM)),
        ({"committed_until": TERM}, Policy(timedelta(0)), Keep(retention.COMMITTED, TERM)),
        ({"committed_until": OVER}, WEEK, Go(DELIVERED)),
        ({"committed_until": DELIVERED}, Policy(timedelta(9)), Keep(retention.RETENTION, DELIVERED + timedelta(9))),
    ],
)  # fmt: skip
def test_what_decides(changed: dict[str, Any], policy: Policy, verdict: retention.Verdict) -> None:
    assert decide(facts(**changed), policy, OVER) == verdict


def test_a_moment_before_its_time_it_stays() -> None:
    assert decide(facts(), WEEK, OVER - timedelta(microseconds=1)) == Keep(retention.RETENTION, OVER)


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
ANY = st.builds(
    Facts, st.sampled_from(LIFE.states), st.booleans(), st.integers(0, 3), st.integers(0, 3),
    st.none() | MOMENTS, st.none() | MOMENTS, st.integers(0, 2), st.booleans(),
)  # fmt: skip
POLICIES = st.builds(Policy, st.timedeltas(timedelta(0), timedelta(days=400)), st.booleans(), st.booleans())


@given(ANY, POLICIES, MOMENTS)
def test_promise_3_nothing_goes_that_somebody_may_still_need(
    known: Facts, policy: Policy, now: datetime
) -> None:
    verdict = decide(known, policy, now)
    if isinstance(verdict, Keep):
        assert verdict.reason.endswith(".")
        assert verdict.until is None or verdict.until > now
        return
    assert (
        known.state in {"delivered", "rejected"}
        and not known.held
        and not known.coming_home
        and not known.unproven
    )
    assert known.state == "rejected" or (known.delivered and not known.undelivered)
    assert known.ended_at is not None and known.ended_at + policy.keep_for <= now
    assert known.committed_until is None or known.committed_until <= now
    assert policy.by_itself and (policy.rejected or known.state == "delivered")


@given(ANY, POLICIES, MOMENTS)
def test_what_is_said_to_go_at_a_time_goes_then(known: Facts, policy: Policy, now: datetime) -> None:
    verdict = decide(known, policy, now)
    if isinstance(verdict, Keep) and verdict.until is not None:
        assert isinstance(decide(known, policy, verdict.until), Go)
        before = decide(known, policy, verdict.until - timedelta(microseconds=1))
        assert isinstance(before, Keep)
