"""A damaged head stops the house until a person carries on, and that stays in the chain."""

import pytest
from django.db import connection
from django.utils import timezone

from proxy.audit import actions, sending
from proxy.audit.findings import Kind
from proxy.audit.mend import NothingToMend, carry_on
from proxy.audit.models import Entry, Forwarding, Head
from proxy.audit.record import ChainBroken, record
from proxy.audit.verify import verify
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def chain() -> None:
    unguard()
    for number in range(5):
        record("identity.viewed", actor="ada", detail={"n": number})


def test_whoever_carries_on_is_named_with_what_was_found() -> None:
    Entry.objects.filter(sequence=5).delete()
    Head.objects.update(count=4)
    with pytest.raises(ChainBroken):
        record("identity.viewed", actor="ada")
    made = carry_on(actor="officer", purpose="after the break-in")
    assert (made.sequence, made.action) == (5, actions.CHAIN_CONTINUED)
    assert made.detail == {"claimed": 4, "found": ["head changed"]}
    record("identity.viewed", actor="ada")
    assert verify().ok


def test_what_was_done_to_entries_stays_findable() -> None:
    Entry.objects.filter(sequence=2).update(actor="mallory")
    Head.objects.all().delete()
    carry_on(actor="officer", purpose="after the break-in")
    assert [found.first for found in verify().findings] == [2]


def test_promise_9_entries_after_a_head_that_was_set_back_reach_the_syslog_server() -> None:
    Forwarding.objects.create(name=sending.SYSLOG, up_to=5)
    Entry.objects.filter(sequence__gt=2).delete()
    Head.objects.all().delete()
    made = carry_on(actor="officer", purpose="after the break-in")
    assert made.sequence == 3
    assert sending.standing() == (1, "")
    assert sending.waiting_since() == made.at


def test_what_the_syslog_server_lacks_is_sent_all_the_same_after_a_head_was_mended() -> None:
    Forwarding.objects.create(name=sending.SYSLOG, up_to=2)
    Head.objects.all().delete()
    carry_on(actor="officer", purpose="after the break-in")
    assert Forwarding.objects.get().up_to == 2


def test_a_whole_head_is_left_alone() -> None:
    with pytest.raises(NothingToMend):
        carry_on(actor="officer", purpose="curiosity")


def put_in(sequence: int) -> None:
    Entry.objects.create(
        sequence=sequence,
        version=1,
        at=timezone.now(),
        actor="mallory",
        action="identity.viewed",
        previous="f" * 64,
        mac=f"{sequence:064}",
    )


def test_what_somebody_put_where_the_next_one_belongs_stops_nobody_for_good() -> None:
    """Whoever may append can bar the way; nobody can remove what bars it."""
    for sequence in (6, 7, 4711):
        put_in(sequence)
    with pytest.raises(ChainBroken, match="stands after the audit's last entry"):
        record("identity.viewed", actor="ada")
    made = carry_on(actor="officer", purpose="after the break-in")
    assert (made.sequence, made.detail) == (8, {"claimed": 5, "found": ["inserted"]})
    assert record("identity.viewed", actor="ada").sequence == 9
    found = [(one.kind, one.first, one.last) for one in verify().findings]
    assert found == [(Kind.REPLACED, 6, 7), (Kind.INSERTED, 4711, 4711)]


def test_what_was_put_far_away_bars_nobody() -> None:
    put_in(4711)
    assert record("identity.viewed", actor="ada").sequence == 6
    with pytest.raises(NothingToMend):
        carry_on(actor="officer", purpose="curiosity")


def test_a_head_that_nobody_can_read_is_written_anew() -> None:
    if connection.vendor != "sqlite":  # which keeps words only
        return
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_head SET head = CAST(X'FF' AS TEXT), mac = X'FF'")
    assert carry_on(actor="officer", purpose="after the break-in").sequence == 6
    assert verify().ok
