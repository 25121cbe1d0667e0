"""A destination that commits: an image is delivered when it is committed, and sent again when it is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pynetdicom import AE, evt
from pynetdicom.presentation import StoragePresentationContexts

from proxy.deliveries import arrivals, bitmap, commitment, decisions, ledger, work
from proxy.deliveries.commitment import AGAIN, LONGEST, Results, given_up, pause_after, too_early
from proxy.deliveries.models import CommitmentRequest, Delivery
from proxy.network.asking import INVALID_ARGUMENT, WELL_KNOWN_INSTANCE, Reference, Report, Result
from proxy.network.commitment import event
from proxy.network.contexts import PUSH_MODEL
from proxy.routing.models import Destination
from proxy.studies.models import Instance
from tests.deliveries.builders import CT, NOW, a_peer, a_revision, opened, real_files_of

NO_SUCH_INSTANCE = 0x0112
Judge = Callable[[int], tuple[list[int], list[int]]]  # how often it was asked -> committed, refused ordinals


class Archive:
    """A peer that stores and commits: `judge` says which ordinals, or None to stay silent."""

    def __init__(self, judge: Callable[[int], tuple[list[int], list[int]] | None]) -> None:
        self._judge = judge
        self.asked: list[str] = []
        self.stored: list[str] = []

    def on_store(self, event_: Any) -> int:
        self.stored.append(str(event_.request.AffectedSOPInstanceUID))
        return 0

    def on_action(self, event_: Any) -> tuple[int, None]:
        information = event_.action_information
        self.asked.append(str(information.TransactionUID))
        verdict = self._judge(len(self.asked))
        if verdict is not None:
            import threading

            threading.Timer(0.05, self._tell, [event_.assoc, information, verdict]).start()
        return 0, None

    def _tell(self, association: Any, information: Any, verdict: tuple[list[int], list[int]]) -> None:
        by_ordinal = {
            int(str(one.ReferencedSOPInstanceUID).rsplit(".", 1)[1]): Reference(
                str(one.ReferencedSOPClassUID), str(one.ReferencedSOPInstanceUID)
            )
            for one in information.ReferencedSOPSequence
        }
        good = tuple(by_ordinal[one] for one in verdict[0] if one in by_ordinal)
        bad = tuple((by_ordinal[one], NO_SUCH_INSTANCE) for one in verdict[1] if one in by_ordinal)
        kind, data = event(Result(0, str(information.TransactionUID), good, bad))
        association.send_n_event_report(data, kind, PUSH_MODEL, WELL_KNOWN_INSTANCE)


@contextmanager
def serving(archive: Archive, commits: bool = True) -> Iterator[int]:
    ae = AE(ae_title="ARCHIVE")
    ae.supported_contexts = StoragePresentationContexts[:100]
    if commits:
        ae.add_supported_context(PUSH_MODEL)
    handlers: Any = [(evt.EVT_C_STORE, archive.on_store), (evt.EVT_N_ACTION, archive.on_action)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def a_committing_peer(port: int = 104) -> Destination:
    destination = a_peer(port=port)
    destination.commitment = True
    destination.save()
    return destination


def a_delivery(port: int = 104, images: int = 3) -> Delivery:
    destination = a_committing_peer(port)
    revision = a_revision(1, images, destinations=(destination,))
    real_files_of(revision)
    return opened(revision, destination, now=timezone.now())[0]


def due(delivery: Delivery) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk, state="waiting").update(next_try_at=timezone.now())
    assert work.deliver_one(timezone.now())
    delivery.refresh_from_db()
    return delivery


@pytest.mark.django_db(transaction=True)
class TestDelivering:
    def test_it_is_delivered_when_everything_is_committed__promise_3(self) -> None:
        archive = Archive(lambda number: ([0, 1, 2], []))
        with serving(archive) as port:
            delivery = due(a_delivery(port))
        assert (delivery.state, delivery.acknowledged, delivery.committed) == ("delivered", 3, 3)
        [line] = ledger.balance()
        assert (line.delivered, line.committed, line.difference) == (3, 3, 0)
        assert list(ledger.recount()) == []
        request = CommitmentRequest.objects.get()
        assert (request.committed, request.failed, request.transaction) == (3, 0, archive.asked[0])

    def test_what_is_refused_is_sent_again_and_asked_about_again__promise_3(self) -> None:
        archive = Archive(lambda number: ([0, 2], [1]) if number == 1 else ([0, 1, 2], []))
        with serving(archive) as port:
            delivery = due(a_delivery(port))
            assert (delivery.state, delivery.acknowledged, delivery.committed) == ("waiting", 2, 2)
            assert delivery.reason == (
                "The destination does not commit to 1 images: it does not have them (0x0112)."
            )
            assert ledger.balance()[0].in_flight == 1
            assert due(delivery).state == "delivered"
        assert len(archive.stored) == 4
        assert archive.stored[3] == archive.stored[1]
        assert len(set(archive.asked)) == 2

    def test_what_is_refused_three_times_needs_a_person_and_goes_on_when_he_says_so(self) -> None:
        archive = Archive(lambda number: ([0, 1], [2]) if number <= commitment.REFUSALS + 1 else ([2], []))
        with serving(archive) as port:
            delivery = due(a_delivery(port))
            for _ in range(commitment.REFUSALS + 1):
                delivery = due(delivery)
            assert delivery.state == "refused"
            assert delivery.reason.startswith("3 times it was sent, and not committed. The destination does")
            assert decisions.retry(delivery, "me", timezone.now())
            assert due(delivery).state == "delivered"

    def test_a_silent_one_is_waited_for_and_a_late_result_sets_it_going(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commitment, "LISTEN", 0.2)
        archive = Archive(lambda number: None)
        with serving(archive) as port:
            delivery = due(a_delivery(port))
            assert (delivery.state, delivery.reason) == ("waiting", commitment.AWAITED)
            assert delivery.next_try_at > timezone.now() + AGAIN * 0.9
            assert due(delivery).state == "waiting"  # early: nothing is asked twice
            assert len(archive.asked) == 1
            report = Report(archive.asked[0], references(delivery, 0, 1, 2), ())
            assert Results().heard(node_of(delivery), report) == 0
            delivery.refresh_from_db()
            assert delivery.next_try_at <= timezone.now()
            assert due(delivery).state == "delivered"
        assert len(archive.stored) == 3

    def test_without_the_service_a_person_is_told(self) -> None:
        with serving(Archive(lambda number: None), commits=False) as port:
            delivery = due(a_delivery(port))
        assert delivery.state == "refused"
        assert "offers no storage commitment" in delivery.reason
        assert not CommitmentRequest.objects.exists()

    def test_once_more_from_the_beginning_means_the_commitment_too(self) -> None:
        archive = Archive(lambda number: ([0, 1, 2], []))
        with serving(archive) as port:
            delivery = due(a_delivery(port))
            assert decisions.retry(delivery, "me", timezone.now())
            delivery.refresh_from_db()
            assert (delivery.acknowledged, delivery.committed) == (0, 0)
            assert due(delivery).state == "delivered"
        assert len(archive.stored) == 6
        assert len(archive.asked) == 2


def references(delivery: Delivery, *ordinals: int) -> tuple[Reference, ...]:
    rows = Instance.objects.filter(revision_id=delivery.revision_id, ordinal__in=ordinals).order_by("ordinal")
    return tuple(Reference(CT, row.uid) for row in rows)


def node_of(delivery: Delivery) -> int:
    return int(delivery.destination.node_id or 0)


def a_request(delivery: Delivery, *ordinals: int, transaction: str = "2.25.77") -> CommitmentRequest:
    asked = bitmap.mark(b"", ordinals, delivery.total)
    return CommitmentRequest.objects.create(
        delivery=delivery, transaction=transaction, asked=asked, asked_at=NOW, until=NOW + AGAIN
    )


def acknowledged(delivery: Delivery) -> None:
    acks = bitmap.mark(b"", range(delivery.total), delivery.total)
    Delivery.objects.filter(pk=delivery.pk).update(acks=acks, acknowledged=delivery.total)


@pytest.mark.django_db
class TestHearing:
    @pytest.fixture
    def delivery(self) -> Delivery:
        destination = a_committing_peer()
        [delivery] = opened(a_revision(1, 4, destinations=(destination,)), destination)
        acknowledged(delivery)
        a_request(delivery, 0, 1, 2)
        return delivery

    def test_only_what_was_asked_for_and_is_ours_counts(self, delivery: Delivery) -> None:
        foreign = Reference(CT, "1.2.3")
        report = Report("2.25.77", (*references(delivery, 0, 3), foreign), ((foreign, 0x0110),))
        assert Results().heard(node_of(delivery), report) == 0
        delivery.refresh_from_db()
        assert bitmap.ordinals(bytes(delivery.commits)) == [0]
        assert (delivery.acknowledged, delivery.committed) == (4, 1)

    def test_told_twice_is_heard_once(self, delivery: Delivery) -> None:
        good = Report("2.25.77", references(delivery, 0, 1, 2), ())
        bad = Report("2.25.77", (), tuple((one, NO_SUCH_INSTANCE) for one in good.committed))
        for report in (good, good, bad):
            assert Results().heard(node_of(delivery), report) == 0
        delivery.refresh_from_db()
        assert (delivery.acknowledged, delivery.committed) == (4, 3)

    @pytest.mark.parametrize(("transaction", "stranger"), [("2.25.78", False), ("2.25.77", True)])
    def test_an_unknown_transaction_or_one_of_another_node_changes_nothing(
        self, delivery: Delivery, transaction: str, stranger: bool
    ) -> None:
        node = a_peer("OTHER").node_id if stranger else delivery.destination.node_id
        report = Report(transaction, references(delivery, 0), ())
        assert Results().heard(int(node or 0), report) == INVALID_ARGUMENT
        delivery.refresh_from_db()
        assert (delivery.committed, CommitmentRequest.objects.filter(heard_at=None).count()) == (0, 1)

    def test_committed_once_is_not_taken_back_by_a_later_word(self, delivery: Delivery) -> None:
        Results().heard(node_of(delivery), Report("2.25.77", references(delivery, 0), ()))
        a_request(delivery, 0, 1, transaction="2.25.80")
        failed = tuple((one, NO_SUCH_INSTANCE) for one in references(delivery, 0, 1))
        assert Results().heard(node_of(delivery), Report("2.25.80", (), failed)) == 0
        delivery.refresh_from_db()
        assert bitmap.ordinals(bytes(delivery.commits)) == [0]
        assert bitmap.missing(bytes(delivery.acks), 4) == [1]

    def test_our_own_commitment_waits_for_theirs__promise_3(self, delivery: Delivery) -> None:
        places = [(delivery.revision_id, ordinal) for ordinal in range(4)]
        assert set(arrivals.everywhere(places).values()) == {"on its way"}
        Results().heard(node_of(delivery), Report("2.25.77", references(delivery, 1), ()))
        assert [arrivals.everywhere(places)[place] == "arrived" for place in places] == [
            False,
            True,
            False,
            False,
        ]


class TestDeciding:
    @staticmethod
    def request(heard: datetime | None = None, failed: int = 0, until: datetime = NOW) -> CommitmentRequest:
        return CommitmentRequest(heard_at=heard, failed=failed, until=until, reason="It does not have them.")

    def test_an_answer_is_waited_for_until_its_time(self) -> None:
        asked = [self.request(until=NOW + timedelta(minutes=3))]
        early = too_early(asked, NOW)
        assert early is not None
        assert (early.after, early.rests) == (timedelta(minutes=3), False)
        assert too_early(asked, NOW + timedelta(minutes=3)) is None
        assert too_early([self.request(heard=NOW, until=NOW + AGAIN)], NOW) is None
        assert too_early([], NOW) is None

    def test_pauses_grow_to_a_day(self) -> None:
        pauses = [pause_after([self.request()] * count) for count in (0, 1, 2, 50)]
        assert pauses == [AGAIN, AGAIN * 2, AGAIN * 4, LONGEST]

    def test_only_refusals_in_a_row_end_it(self) -> None:
        bad, good = self.request(heard=NOW, failed=2), self.request(heard=NOW)
        assert given_up([bad, bad]) is None
        assert given_up([bad, good, bad, bad]) is None
        assert given_up([bad, self.request(), bad, bad]) is not None


def test_ordinals_come_back_from_a_bitmap() -> None:
    bits = bitmap.mark(b"", [0, 5, 9], 10)
    assert bitmap.ordinals(bits) == [0, 5, 9]
    assert bitmap.ordinals(bitmap.cleared(bits, [5, 800])) == [0, 9]
