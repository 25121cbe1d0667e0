"""Who was refused is counted, bounded, and told with what to do about it."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError

from proxy.management.doctor.wire import examine_refusals
from proxy.network.door import Caller, Rejection
from proxy.routing import refusals
from proxy.routing.models import Refusal
from proxy.routing.refusals import Key, Refusals, keep, key_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNKNOWN = Rejection(1, 1, 3, "Private mode: no node has this AE title and address.")


def caller(calling: str = "CT_WEST", address: str = "10.1.2.3") -> Caller:
    return Caller("DICOMRCV", calling, address, 40_000)


def test_the_same_refusal_is_one_row_with_its_count() -> None:
    keep(Counter({key_of(caller(), UNKNOWN): 3}), NOW)
    keep(Counter({key_of(caller(), UNKNOWN): 2}), NOW + timedelta(hours=1))
    row = Refusal.objects.get()
    assert (row.calling_ae, row.address, row.called_ae, row.code) == (
        "CT_WEST",
        "10.1.2.3",
        "DICOMRCV",
        "1/1/3",
    )
    assert (row.count, row.first_at, row.last_at) == (5, NOW, NOW + timedelta(hours=1))


def test_callers_and_reasons_are_told_apart() -> None:
    other = Rejection(2, 3, 2, "50 associations are open, as many as are allowed.")
    keys = [key_of(caller(), UNKNOWN), key_of(caller(), other), key_of(caller("MR"), UNKNOWN)]
    keep(Counter(keys), NOW)
    assert Refusal.objects.count() == 3


@pytest.mark.parametrize(
    ("title", "kept"), [("A" * 40, "A" * 16), ("CT\x00\x1b[31m", "CT??[31m"), ("Ä\nB", "??B"), ("", "")]
)
def test_a_strangers_text_is_kept_as_an_ae_title_at_most(title: str, kept: str) -> None:
    assert key_of(caller(title), UNKNOWN).calling_ae == kept


def test_promise_11_only_the_latest_rows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_ROWS", 5)
    for number in range(12):
        keep(Counter({key_of(caller(f"CT_{number}"), UNKNOWN): 1}), NOW + timedelta(seconds=number))
    assert set(Refusal.objects.values_list("calling_ae", flat=True)) == {f"CT_{n}" for n in range(7, 12)}


def test_promise_11_a_flood_of_different_callers_is_bounded_before_it_is_written() -> None:
    ours = Refusals()
    for number in range(10_000):
        ours.note(caller(f"CT_{number}"), UNKNOWN)
    ours.note(caller("CT_0"), UNKNOWN)
    assert ours.write() == refusals.MOST_WAITING
    assert Refusal.objects.get(calling_ae="CT_0").count == 2
    assert ours.write() == 0


def test_what_cannot_be_written_now_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Refusals()
    ours.note(caller(), UNKNOWN)

    def away(counts: Counter[Key], now: datetime) -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(refusals, "keep", away)
        with pytest.raises(DatabaseError):
            ours.write()
    ours.note(caller(), UNKNOWN)
    ours.write()
    assert Refusal.objects.get().count == 2


def test_doctor_tells_of_the_last_day_and_what_to_do() -> None:
    now = datetime.now(UTC)
    keep(Counter({key_of(caller("OLD"), UNKNOWN): 1}), now - timedelta(days=2))
    keep(Counter({key_of(caller(), UNKNOWN): 7}), now)
    [finding] = examine_refusals()
    assert finding.level == "warn"
    assert "CT_WEST at 10.1.2.3 was refused 7 times (1/1/3)" in finding.sentence
    assert "add a node with AE title CT_WEST" in finding.sentence


def test_doctor_is_short_about_many() -> None:
    now = datetime.now(UTC)
    keep(Counter({key_of(caller(f"CT_{n}"), UNKNOWN): 1 for n in range(9)}), now)
    assert len(list(examine_refusals())) == 6
