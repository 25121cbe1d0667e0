"""Whatever combination of attacks: the verifier neither overlooks it nor falls over."""

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.audit.models import GENESIS, Entry, Head
from proxy.audit.record import record
from proxy.audit.verify import verify
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db
LENGTH = 8
FAR = 1_000_000

places = st.integers(1, LENGTH)
macs = st.sampled_from([GENESIS, "f" * 64, "", "ü"])
texts = st.sampled_from(["", "mallory", "ada", "😀"])
edits = st.one_of(
    st.tuples(st.just("edit"), places, st.sampled_from(["actor", "action", "subject", "purpose"]), texts),
    st.tuples(st.just("edit"), places, st.just("previous"), macs),
    st.tuples(st.just("edit"), places, st.just("version"), st.integers(0, 3)),
    st.tuples(st.just("edit"), places, st.just("detail"), st.sampled_from(["{}", "[]", '{"n": 1}', "1.5"])),
    st.tuples(st.just("edit"), places, st.just("at"), st.sampled_from(["2020-01-01 00:00:00+00:00"])),
)
attacks = st.one_of(
    edits,
    st.tuples(st.just("delete"), places),
    st.tuples(st.just("swap"), places, places),
    st.tuples(st.just("copy"), places, st.integers(1, LENGTH + 3)),
    st.tuples(st.just("head"), st.integers(0, LENGTH + 2), macs),
)


def carry_out(attack: tuple[object, ...]) -> None:
    match attack:
        case "edit", int(place), str(column), str() | int() as value:
            _sql(f"UPDATE audit_entry SET {column} = %s WHERE sequence = %s", value, place)
        case "delete", int(place):
            Entry.objects.filter(sequence=place).delete()
        case "swap", int(one), int(other):
            Entry.objects.filter(sequence=one).update(sequence=FAR)
            Entry.objects.filter(sequence=other).update(sequence=one)
            Entry.objects.filter(sequence=FAR).update(sequence=other)
        case "copy", int(one), int(other):
            _copy(one, other)
        case "head", int(count), str(mac):
            Head.objects.update(count=count, head=mac)


def _sql(statement: str, *values: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _copy(one: int, other: int) -> None:
    entry = Entry.objects.filter(sequence=one).first()
    if entry is not None and not Entry.objects.filter(sequence=other).exists():
        entry.pk, entry.sequence, entry.mac = None, other, f"{other:064}"
        entry.save(force_insert=True)


def state() -> list[object]:
    rows = Entry.objects.order_by("sequence").values_list(
        "sequence", "version", "at", "actor", "action", "subject", "purpose", "detail", "previous", "mac"
    )
    return [*rows, *Head.objects.values_list("count", "head", "mac")]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(attacks, min_size=1, max_size=4))
def test_promise_9_no_combination_of_attacks_is_overlooked(attacks: list[tuple[object, ...]]) -> None:
    with transaction.atomic():
        unguard()
        for number in range(LENGTH):
            record("identity.viewed", actor="ada", detail={"n": number})
        before = state()
        for attack in attacks:
            carry_out(attack)
        report = verify()
        assert report.ok == (state() == before), report
        assert all(found.sentence for found in report.findings)
        transaction.set_rollback(True)
