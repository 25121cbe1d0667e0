"""Asking a peer for storage commitment: pynetdicom's provider that answers early, at once, late, wrongly or never."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from pydicom import DataElement, config
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import decode, encode

from proxy.network import asking
from proxy.network.asking import WELL_KNOWN_INSTANCE, Asked, Reference, Report, read_report
from proxy.network.commitment import call, event
from proxy.network.contexts import PUSH_MODEL
from proxy.network.door import Caller
from proxy.network.peer import Lost, Peer
from proxy.network.requesting import NOT_OFFERED, Answer, request
from tests.network.conftest import Listen
from tests.network.people import Guest, wait_for

HERE = "127.0.0.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
ONE, TWO = Reference(CT, "2.25.31"), Reference(CT, "2.25.32")
ASKED = Asked("2.25.99", (ONE, TWO))
REPORT = Report("2.25.99", (ONE,), ((TWO, asking.NO_SUCH_INSTANCE),))


def information(report: Report) -> tuple[int, Dataset]:
    return event(asking.Result(0, report.transaction, report.committed, report.failed))


@dataclass
class Provider:
    """What it was asked, and how it answers."""

    status: int = 0
    report: Report | None = REPORT
    early: bool = False
    asked: list[Dataset] = field(default_factory=list)
    confirmed: list[Any] = field(default_factory=list)

    def on_action(self, event: evt.Event) -> tuple[int, None]:
        self.asked.append(event.action_information)
        if self.report is not None and self.early:
            self._tell(event.assoc)
        elif self.report is not None and self.status == 0:
            threading.Timer(0.1, self._tell, [event.assoc]).start()
        return self.status, None

    def _tell(self, association: Any) -> None:
        assert self.report is not None
        kind, data = information(self.report)
        if self.early:  # sent before the answer to the request: nobody waits for its response here
            self._overtake(association, kind, data)
            return
        status, _ = association.send_n_event_report(data, kind, PUSH_MODEL, WELL_KNOWN_INSTANCE)
        self.confirmed.append(status.get("Status"))

    @staticmethod
    def _overtake(association: Any, kind: int, data: Dataset) -> None:
        message = N_EVENT_REPORT()
        message.MessageID = 7
        message.AffectedSOPClassUID = PUSH_MODEL
        message.AffectedSOPInstanceUID = WELL_KNOWN_INSTANCE
        message.EventTypeID = kind
        message.EventInformation = BytesIO(encode(data, True, True) or b"")
        context = next(one for one in association.accepted_contexts if one.abstract_syntax == PUSH_MODEL)
        association.dimse.send_msg(message, context.context_id)


@contextmanager
def serving(provider: Provider, sop_class: str = PUSH_MODEL) -> Iterator[Peer]:
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(sop_class, "1.2.840.10008.1.2")
    server = ae.start_server((HERE, 0), block=False, evt_handlers=[(evt.EVT_N_ACTION, provider.on_action)])
    try:
        yield Peer("ARCHIVE", HERE, server.server_address[1], acse_timeout=60, dimse_timeout=60)
    finally:
        server.shutdown()


def ask(
    peer: Peer, hear: Callable[[Report], int], waiting: Callable[[], bool] = lambda: True, seconds: float = 60
) -> Answer:
    return request(peer, ASKED, hear, waiting, seconds)


class TestAsking:
    @pytest.mark.parametrize("early", [False, True])
    def test_what_is_told_on_the_association_is_heard_once(self, early: bool) -> None:
        heard: list[Report] = []

        def hear(report: Report) -> int:
            heard.append(report)
            return 0

        provider = Provider(early=early)
        with serving(provider) as peer:
            answer = ask(peer, hear, lambda: not heard)
            assert answer == Answer(True)
            wait_for(lambda: early or provider.confirmed == [0])
        assert heard == [REPORT]
        [asked] = provider.asked
        assert asked.TransactionUID == "2.25.99"
        uids = [one.ReferencedSOPInstanceUID for one in asked.ReferencedSOPSequence]
        assert uids == [ONE.sop_instance, TWO.sop_instance]

    def test_a_peer_that_will_call_back_is_not_waited_for_longer_than_said(self) -> None:
        began = time.monotonic()
        with serving(Provider(report=None)) as peer:
            assert ask(peer, lambda report: 0, seconds=0.6) == Answer(True)
        assert 0.6 <= time.monotonic() - began < 60

    def test_what_another_process_heard_ends_the_wait(self) -> None:
        began = time.monotonic()
        with serving(Provider(report=None)) as peer:
            assert ask(peer, lambda report: 0, lambda: False, seconds=200).taken
        assert time.monotonic() - began < 100

    def test_a_refusal_is_said_with_its_status(self) -> None:
        with serving(Provider(status=asking.RESOURCE_LIMITATION, report=None)) as peer:
            assert ask(peer, lambda report: 0) == Answer(False, why="The peer refused to commit (0x0213).")

    def test_a_peer_without_the_service(self) -> None:
        with serving(Provider(), "1.2.840.10008.1.1") as peer:
            assert ask(peer, lambda report: 0) == NOT_OFFERED

    def test_nobody_there(self) -> None:
        with pytest.raises(Lost, match="cannot be reached"):
            ask(Peer("ARCHIVE", HERE, 9, connect_timeout=1), lambda report: 0)

    def test_a_peer_that_aborts_over_the_request(self) -> None:
        class Rude(Provider):
            def on_action(self, event: evt.Event) -> tuple[int, None]:
                event.assoc.abort()
                return 0, None

        with serving(Rude()) as peer, pytest.raises(Lost, match="did not answer"):
            ask(peer, lambda report: 0)

    def test_who_fails_to_keep_it_says_so_to_the_peer(self) -> None:
        def hear(report: Report) -> int:
            raise OSError("the database is away")

        provider = Provider()
        with serving(provider) as peer:
            assert ask(peer, hear, lambda: not provider.confirmed).taken
            wait_for(lambda: provider.confirmed == [asking.PROCESSING_FAILURE])


class TestReading:
    def test_both_kinds(self) -> None:
        kind, data = information(REPORT)
        assert read_report(kind, WELL_KNOWN_INSTANCE, data) == REPORT
        kind, data = information(Report("2.25.99", (ONE, TWO), ()))
        assert kind == asking.ALL_COMMITTED
        assert read_report(kind, WELL_KNOWN_INSTANCE, data) == Report("2.25.99", (ONE, TWO), ())

    def test_what_is_said_in_two_ways_is_not_committed(self) -> None:
        kind, data = information(Report("2.25.99", (ONE, TWO, TWO), ((TWO, 0x0110),)))
        assert read_report(kind, WELL_KNOWN_INSTANCE, data) == Report("2.25.99", (ONE,), ((TWO, 0x0110),))

    @pytest.mark.parametrize(
        ("event_type", "instance", "change", "status"),
        [
            (3, WELL_KNOWN_INSTANCE, None, asking.NO_SUCH_EVENT),
            (None, WELL_KNOWN_INSTANCE, None, asking.NO_SUCH_EVENT),
            (2, "1.2.3", None, asking.NO_SUCH_INSTANCE),
            (2, WELL_KNOWN_INSTANCE, "TransactionUID", asking.NO_SUCH_ARGUMENT),
        ],
    )
    def test_what_cannot_be_meant(
        self, event_type: int | None, instance: str, change: str | None, status: int
    ) -> None:
        _, data = information(REPORT)
        if change:
            delattr(data, change)
        assert read_report(event_type, instance, data) == status

    def test_a_failure_without_reason_or_uid_is_read_all_the_same(self) -> None:
        kind, data = information(REPORT)
        del data.FailedSOPSequence[0].FailureReason
        del data.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        report = read_report(kind, WELL_KNOWN_INSTANCE, data)
        assert isinstance(report, Report)
        assert report.failed == ((TWO, asking.PROCESSING_FAILURE),)
        assert report.committed == (Reference(CT, ""),)

    def test_a_report_shows_no_uid(self) -> None:
        assert "2.25" not in repr(REPORT)


@dataclass
class Sender(Guest):
    """A door that is told of what others keep for it."""

    allows: bool = True
    status: int = 0
    reports: list[Report] = field(default_factory=list)

    def may_report(self, caller: Caller) -> bool:
        return self.allows

    def commitment_heard(self, caller: Caller, report: Report) -> int:
        self.reports.append(report)
        return self.status


class TestBeingCalled:
    """The other side is our own caller, which proposes to be the provider, and pynetdicom's, which may not."""

    def test_the_result_reaches_the_door(self, listen: Listen) -> None:
        sender = Sender()
        listener, _ = listen(sender)
        peer = Peer("DICOMRCV", HERE, listener.port, calling_ae="ARCHIVE")
        assert call(peer, asking.Result(0, REPORT.transaction, REPORT.committed, REPORT.failed)) == ""
        assert sender.reports == [REPORT]

    @pytest.mark.parametrize("guest", [Sender(allows=False), Guest()])
    def test_who_may_not_finds_it_not_offered(self, listen: Listen, guest: Guest) -> None:
        listener, _ = listen(guest)
        peer = Peer("DICOMRCV", HERE, listener.port, calling_ae="ARCHIVE")
        assert "takes no storage commitment results" in call(peer, asking.Result(0, "2.25.1", (ONE,), ()))

    def test_a_status_goes_back(self, listen: Listen) -> None:
        listener, _ = listen(Sender(status=asking.INVALID_ARGUMENT))
        peer = Peer("DICOMRCV", HERE, listener.port, calling_ae="ARCHIVE")
        assert "did not confirm" in call(peer, asking.Result(0, "2.25.1", (ONE,), ()))

    def test_a_peer_that_negotiates_no_role_is_understood(self, listen: Listen) -> None:
        sender = Sender()
        listener, _ = listen(sender)
        ae = AE(ae_title="ARCHIVE")
        ae.add_requested_context(PUSH_MODEL)
        association = ae.associate(HERE, listener.port, ae_title="DICOMRCV")
        kind, data = information(REPORT)
        for context in association._accepted_cx.values():
            context._as_scp = True  # it just does it
        status, _ = association.send_n_event_report(data, kind, PUSH_MODEL, WELL_KNOWN_INSTANCE)
        association.release()
        assert status.Status == 0
        assert sender.reports == [REPORT]

    def test_who_may_only_tell_may_not_ask(self, listen: Listen) -> None:
        listener, _ = listen(Sender())
        ae = AE(ae_title="ARCHIVE")
        ae.add_requested_context(PUSH_MODEL)
        association = ae.associate(HERE, listener.port, ae_title="DICOMRCV")
        data = Dataset()
        data.TransactionUID = "2.25.5"
        status, _ = association.send_n_action(data, 1, PUSH_MODEL, WELL_KNOWN_INSTANCE)
        association.release()
        assert status.Status != 0


def test_promise_8_a_value_that_is_no_uid_is_quoted_by_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    """Also where many read at once: warnings cannot be caught for one thread."""
    data = Dataset()
    data.add(DataElement("TransactionUID", "UI", "Exampleova^Ada", validation_mode=config.IGNORE))
    encoded = encode(data, True, True)
    assert encoded is not None
    assert (
        read_report(1, WELL_KNOWN_INSTANCE, decode(BytesIO(encoded), True, True)) == asking.NO_SUCH_ARGUMENT
    )
    assert [str(one.message) for one in recwarn] == []
