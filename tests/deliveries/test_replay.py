"""A destination lost what it had: what it got in a span of time goes once more, behind what is new."""

from datetime import datetime

import pytest

from proxy.audit.models import Entry
from proxy.deliveries import decisions, ledger, queue
from proxy.deliveries import replay as replaying
from proxy.deliveries.models import Delivery, Priority
from proxy.deliveries.outcomes import Delivered
from proxy.deliveries.replay import Amount, Span, WrongSpan, outlook, replay
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision
from tests.deliveries.builders import NOW, a_folder, a_peer, a_waiting_delivery, seconds

pytestmark = pytest.mark.django_db
ADMIN = "admin"
DAY = Span(NOW - seconds(86_400), NOW)


def delivered(study: int, at: datetime, to: Destination, images: int = 3) -> Delivery:
    delivery = a_waiting_delivery(study, images, to=to)
    claim = queue.claim(NOW, "t")
    assert claim is not None and claim.delivery_id == delivery.pk
    queue.progress(claim, range(images))
    queue.finish(claim, Delivered("a-1"), NOW)
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=at)
    return delivery


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_what_arrived_in_the_span_goes_once_more_and_nothing_else() -> None:
    outbox, archive = a_folder(), a_peer()
    for study, ago in enumerate((86_401, 86_400, 1, 0), start=1):
        delivered(study, NOW - seconds(ago), outbox)
    delivered(9, NOW - seconds(5), archive)
    assert outlook(outbox, DAY) == Amount(2, 6)
    assert states() == ["delivered"] * 5, "a look changes nothing"
    assert replay(outbox, DAY, ADMIN, NOW) == Amount(2, 6)
    assert states() == ["delivered", "waiting", "waiting", "delivered", "delivered"]
    again = Delivery.objects.filter(state="waiting").first()
    assert again is not None
    assert (again.acknowledged, bytes(again.acks), again.attempts, again.finished_at) == (0, b"", 0, None)
    assert again.next_try_at == NOW and again.get_priority_display() == "Bulk"
    assert all(line.difference == 0 for line in ledger.balance())


def test_it_leaves_one_mark_that_says_what_and_why() -> None:
    outbox = a_folder()
    delivered(1, NOW - seconds(5), outbox)
    replay(outbox, DAY, ADMIN, NOW, Priority.URGENT, "Its disk was lost.")
    entry = Entry.objects.get()
    assert (entry.actor, entry.subject, entry.purpose) == (ADMIN, "outbox", "Its disk was lost.")
    assert entry.detail == {
        "decision": "replay",
        "since": DAY.since.isoformat(),
        "until": DAY.until.isoformat(),
        "deliveries": 1,
        "priority": "urgent",
    }
    assert Delivery.objects.get().priority == Priority.URGENT


def test_what_is_new_goes_before_what_goes_again() -> None:
    outbox = a_folder()
    delivered(1, NOW - seconds(5), outbox)
    replay(outbox, DAY, ADMIN, NOW)
    new = a_waiting_delivery(2, to=outbox)
    claim = queue.claim(NOW, "t")
    assert claim is not None and claim.delivery_id == new.pk


def test_what_has_expired_is_counted_and_stays() -> None:
    outbox = a_folder()
    first, second = (delivered(study, NOW - seconds(5), outbox) for study in (1, 2))
    Revision.objects.filter(pk=first.revision_id).update(state=study_life.EXPIRED)
    assert outlook(outbox, DAY) == Amount(1, 3, expired=1)
    assert replay(outbox, DAY, ADMIN, NOW) == Amount(1, 3, expired=1)
    assert states() == ["delivered", "waiting"]
    assert Revision.objects.get(pk=second.revision_id).state == study_life.RELEASED


@pytest.mark.parametrize("state", ["waiting", "claimed", "refused", "dropped"])
def test_what_did_not_arrive_is_no_part_of_it(state: str) -> None:
    outbox = a_folder()
    delivered(1, NOW - seconds(5), outbox)
    Delivery.objects.update(state=state)
    assert replay(outbox, DAY, ADMIN, NOW) == Amount(0, 0)
    assert states() == [state]


def test_broken_off_it_goes_on_and_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = a_folder()
    for study in range(5):
        delivered(study, NOW - seconds(5), outbox)
    before, left = decisions.send_again, [2]

    def broken(*args: object, **changes: object) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return before(*args, **changes)  # type: ignore[arg-type]

    monkeypatch.setattr(replaying, "PAGE", 2)
    monkeypatch.setattr(replaying, "send_again", broken)
    with pytest.raises(KeyboardInterrupt):
        replay(outbox, DAY, ADMIN, NOW)
    assert Entry.objects.count() == 1, "it was marked before it began"
    monkeypatch.setattr(replaying, "send_again", before)
    while claim := queue.claim(NOW, "t"):
        queue.progress(claim, range(3))
        queue.finish(claim, Delivered(), NOW)
    assert replay(outbox, DAY, ADMIN, NOW) == Amount(3, 9)
    assert sorted(states()) == ["delivered"] * 2 + ["waiting"] * 3


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        (0, None, "begins in the future"),
        (5, None, "begins in the future"),
        (-5, -5, "ends before it begins"),
        (-5, -6, "ends before it begins"),
    ],
)
def test_a_span_that_is_none_is_refused(since: float, until: float | None, sentence: str) -> None:
    with pytest.raises(WrongSpan, match=sentence):
        Span.of(NOW + seconds(since), None if until is None else NOW + seconds(until), NOW)


def test_a_span_ends_now_at_the_latest() -> None:
    begin = NOW - seconds(5)
    assert Span.of(begin, None, NOW) == Span.of(begin, NOW + seconds(99), NOW) == Span(begin, NOW)
