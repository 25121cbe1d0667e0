"""A damaged head stops the house until a person carries on, and that stays in the chain."""

import pytest

from proxy.audit import actions
from proxy.audit.mend import NothingToMend, carry_on
from proxy.audit.models import Entry, Head
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


def test_a_whole_head_is_left_alone() -> None:
    with pytest.raises(NothingToMend):
        carry_on(actor="officer", purpose="curiosity")
