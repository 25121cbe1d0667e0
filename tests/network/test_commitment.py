"""Storage commitment on the wire: asked by pynetdicom as the modality, told on its association or on one of ours."""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from proxy.network import asking
from proxy.network.asking import WELL_KNOWN_INSTANCE, Asked, Reference, Result, read_request
from proxy.network.commitment import call, event
from proxy.network.contexts import PUSH_MODEL
from proxy.network.door import Caller
from proxy.network.peer import Peer
from proxy.network.quirks import NO_EXTENDED
from tests.network.conftest import Listen
from tests.network.people import Guest, wait_for

HERE = "127.0.0.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
TRANSACTION = "1.2.826.0.1.3680043.8.498.99"
ONE, TWO = Reference(CT, "1.2.3.1"), Reference(CT, "1.2.3.2")
RESULT = Result(7, TRANSACTION, (ONE,), ((TWO, asking.NO_SUCH_INSTANCE),))


@dataclass
class Archive(Guest):
    """A door that commits: it remembers what was asked and tells what it is given."""

    allows: bool = True
    status: int = 0
    asked: list[Asked] = field(default_factory=list)
    due: list[Result] = field(default_factory=list)
    told: list[tuple[Result, bool]] = field(default_factory=list)

    def may_commit(self, caller: Caller) -> bool:
        return self.allows

    def commitment_asked(self, caller: Caller, asked: Asked) -> int:
        self.asked.append(asked)
        return self.status

    def commitment_due(self, caller: Caller) -> Result | None:
        return self.due.pop() if self.due else None

    def commitment_told(self, result: Result, heard: bool) -> None:
        self.told.append((result, heard))


def information(*references: Reference, transaction: str = TRANSACTION) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = transaction
    dataset.ReferencedSOPSequence = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in references:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.sop_class, one.sop_instance
            dataset.ReferencedSOPSequence.append(item)
    return dataset


@dataclass
class Heard:
    """What the modality was told."""

    events: list[tuple[int, Dataset]] = field(default_factory=list)
    roles: list[Any] = field(default_factory=list)

    def take(self, event: evt.Event) -> tuple[int, None]:
        self.events.append((event.request.EventTypeID, event.event_information))
        return 0, None


def modality(port: int, heard: Heard | None = None) -> Any:
    ae = AE(ae_title="CT_EAST")
    ae.add_requested_context(PUSH_MODEL)
    handlers: Any = [(evt.EVT_N_EVENT_REPORT, heard.take)] if heard else []
    return ae.associate(HERE, port, ae_title="DICOMRCV", evt_handlers=handlers)


def ask(association: Any, data: Dataset | None, action: int = 1, instance: str = WELL_KNOWN_INSTANCE) -> int:
    answer, _ = association.send_n_action(data, action, PUSH_MODEL, instance)
    return int(answer.Status)


@contextmanager
def reachable(heard: Heard, status: int = 0) -> Iterator[int]:
    """A modality that hears results on associations we open, as their user."""

    def take(event: evt.Event) -> tuple[int, None]:
        heard.roles.append(event.assoc.requestor.role_selection.get(PUSH_MODEL))
        heard.take(event)
        return status, None

    ae = AE(ae_title="CT_EAST")
    ae.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
    server = ae.start_server((HERE, 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


class TestAsking:
    def test_a_request_reaches_the_door_before_it_is_answered(self, listen: Listen) -> None:
        archive = Archive()
        listener, _ = listen(archive)
        association = modality(listener.port)
        assert ask(association, information(ONE, TWO, ONE)) == 0
        assert archive.asked == [Asked(TRANSACTION, (ONE, TWO))]
        association.release()

    def test_who_may_not_finds_it_not_offered(self, listen: Listen) -> None:
        for guest in (Archive(allows=False), Guest()):
            listener, _ = listen(guest)
            assert not modality(listener.port).is_established

    @pytest.mark.parametrize(
        ("data", "action", "instance", "status"),
        [
            (information(ONE), 2, WELL_KNOWN_INSTANCE, asking.NO_SUCH_ACTION),
            (information(ONE), 1, "1.2.3", asking.NO_SUCH_INSTANCE),
            (None, 1, WELL_KNOWN_INSTANCE, asking.NO_SUCH_ARGUMENT),
            (information(), 1, WELL_KNOWN_INSTANCE, asking.NO_SUCH_ARGUMENT),
            (information(ONE, transaction=""), 1, WELL_KNOWN_INSTANCE, asking.NO_SUCH_ARGUMENT),
            (information(Reference(CT, "")), 1, WELL_KNOWN_INSTANCE, asking.INVALID_ARGUMENT),
            (information(Reference("CT", "1.2.3")), 1, WELL_KNOWN_INSTANCE, asking.INVALID_ARGUMENT),
        ],
    )
    def test_what_cannot_be_meant_is_refused_and_the_association_lives_on(
        self, listen: Listen, data: Dataset | None, action: int, instance: str, status: int
    ) -> None:
        archive = Archive()
        listener, _ = listen(archive)
        association = modality(listener.port)
        assert ask(association, data, action, instance) == status
        assert archive.asked == []
        assert ask(association, information(ONE)) == 0
        association.release()

    def test_more_than_we_can_keep_is_said_so(self) -> None:
        many = information(*(Reference(CT, f"1.2.{number}") for number in range(asking.MOST + 1)))
        assert read_request(1, WELL_KNOWN_INSTANCE, many) == asking.RESOURCE_LIMITATION
        del many.ReferencedSOPSequence[-1]
        assert isinstance(read_request(1, WELL_KNOWN_INSTANCE, many), Asked)

    def test_a_door_that_fails_answers_a_processing_failure(self, listen: Listen) -> None:
        class Broken(Archive):
            def commitment_asked(self, caller: Caller, asked: Asked) -> int:
                raise OSError("the database is away")

        listener, _ = listen(Broken())
        assert ask(modality(listener.port), information(ONE)) == asking.PROCESSING_FAILURE

    def test_neither_request_nor_result_shows_a_uid(self) -> None:
        shown = repr((Asked(TRANSACTION, (ONE,)), RESULT, ONE))
        assert "1.2" not in shown


class TestTelling:
    def test_on_the_association_that_still_stands(self, listen: Listen) -> None:
        archive, heard = Archive(due=[RESULT]), Heard()
        listener, _ = listen(archive)
        association = modality(listener.port, heard)
        assert ask(association, information(ONE, TWO)) == 0
        wait_for(lambda: len(archive.told) == 1)
        assert archive.told == [(RESULT, True)]
        [(kind, told)] = heard.events
        assert (kind, told.TransactionUID) == (2, TRANSACTION)
        assert told.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == ONE.sop_instance
        assert told.FailedSOPSequence[0].FailureReason == asking.NO_SUCH_INSTANCE
        assert ask(association, information(ONE)) == 0  # and it goes on
        association.release()

    def test_what_was_not_heard_is_said_to_the_door(self, listen: Listen) -> None:
        archive = Archive(due=[RESULT])
        listener, _ = listen(archive)
        association = modality(listener.port)  # knows no event reports
        assert ask(association, information(ONE)) == 0
        wait_for(lambda: len(archive.told) == 1)
        assert archive.told == [(RESULT, False)]

    def test_who_hangs_up_at_once_is_left_to_be_called(self, listen: Listen) -> None:
        archive = Archive(due=[RESULT])
        listener, _ = listen(archive)
        association = modality(listener.port)
        assert ask(association, information(ONE)) == 0
        association.release()
        threading.Event().wait(1.0)
        assert archive.told == []

    @pytest.mark.parametrize(
        ("quirks", "proposes"), [(frozenset[str](), True), (frozenset({NO_EXTENDED}), False)]
    )
    def test_on_an_association_of_our_own_we_are_the_provider(
        self, quirks: frozenset[str], proposes: bool
    ) -> None:
        heard = Heard()
        with reachable(heard) as port:
            assert call(Peer("CT_EAST", HERE, port, quirks=quirks), RESULT) == ""
        assert heard.events[0][0] == 2
        [role] = heard.roles
        assert (role is not None) == proposes
        assert role is None or (role.scu_role, role.scp_role) == (False, True)

    @pytest.mark.parametrize(
        ("peer", "said"),
        [
            (
                lambda port: Peer("CT_EAST", HERE, port + 0, acse_timeout=2, dimse_timeout=2),
                "did not confirm",
            ),
            (lambda port: Peer("CT_EAST", HERE, 9, connect_timeout=2), "cannot be reached"),
        ],
    )
    def test_why_it_was_not_heard_is_a_sentence(self, peer: Callable[[int], Peer], said: str) -> None:
        with reachable(Heard(), status=0x0110) as port:
            assert said in call(peer(port), RESULT)

    def test_a_peer_that_takes_no_results_from_us(self) -> None:
        ae = AE(ae_title="CT_EAST")
        ae.add_supported_context("1.2.840.10008.1.1")
        server = ae.start_server((HERE, 0), block=False)
        try:
            said = call(Peer("CT_EAST", HERE, server.server_address[1]), RESULT)
        finally:
            server.shutdown()
        assert said == "The peer takes no storage commitment results on an association that we open."

    def test_all_committed_is_another_event(self) -> None:
        kind, information = event(Result(1, TRANSACTION, (ONE, TWO), ()))
        assert kind == 1
        assert "FailedSOPSequence" not in information
        assert len(information.ReferencedSOPSequence) == 2
        kind, information = event(Result(1, TRANSACTION, (), ((ONE, 0x0131),)))
        assert kind == 2
        assert "ReferencedSOPSequence" not in information
