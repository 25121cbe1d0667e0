"""Eight processes, one chain."""

import pytest

from proxy.audit.models import Entry
from proxy.audit.record import record
from proxy.audit.verify import verify
from tests.vault.crowd import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS, EACH = 8, 20


def write(number: int) -> int:
    return [
        record("identity.viewed", actor=f"writer {number}", detail={"n": n}).sequence for n in range(EACH)
    ][-1]


def read_or_write(number: int) -> bool:
    """The first one verifies again and again while the others write."""
    if number:
        return bool(write(number))
    return all(verify().ok for _ in range(25))


def test_a_chain_that_grows_while_it_is_verified_is_whole() -> None:
    assert all(at_once(WRITERS // 2, read_or_write))


def test_promise_9_eight_writers_write_one_chain() -> None:
    assert max(at_once(WRITERS, write)) == WRITERS * EACH
    assert Entry.objects.count() == WRITERS * EACH
    assert verify().ok
