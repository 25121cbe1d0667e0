"""What of pynetdicom's insides the reactor leans on. When one of these fails, a new version moved it: read
`proxy/network/reactor.py` before anything else, then pynetdicom's change, then mend both.
"""

import inspect
import queue

import pynetdicom
import pytest
from pynetdicom import AE, acse, association, dimse, dul, fsm, pdu, presentation, transport
from pynetdicom.timer import Timer

from proxy.network.reactor import Association


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def test_the_version_is_one_we_know() -> None:
    assert pynetdicom.__version__.split(".")[0] == "3"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            dul.DULServiceProvider,
            ["send_pdu", "receive_pdu", "kill_dul", "_process_recv_primitive", "_decode_pdu", "_send"],
        ),
        (
            association.Association,
            ["run_reactor", "_run_reactor", "_serve_request", "kill", "set_socket", "abort"],
        ),
        (dimse.DIMSEServiceProvider, ["get_msg", "receive_primitive", "send_msg"]),
        (transport.AssociationSocket, ["connect", "send", "close", "_shutdown_socket"]),
        (transport.AssociationServer, ["get_request", "process_request", "shutdown", "service_actions"]),
        (transport.RequestHandler, ["handle", "_create_association"]),
        (acse.ACSE, ["send_reject", "send_release", "is_release_requested", "is_aborted"]),
        (Timer, ["start", "stop", "restart", "expired", "remaining"]),
    ],
)
def test_what_we_override_or_call_is_there(owner: type, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_an_association_has_the_parts_we_replace() -> None:
    one = Association(AE(), "acceptor")
    assert one.dul.state == "Sta1"
    assert isinstance(one.dul.event_queue, queue.Queue)
    assert isinstance(one.dul.to_provider_queue, queue.Queue)
    assert isinstance(one.dul._recv_pdu, queue.Queue)
    assert isinstance(one.dimse.msg_queue, queue.Queue)
    assert one.dul._idle_timer.timeout == one.network_timeout
    assert one.dul.artim_timer.timeout == one.acse_timeout
    assert one._accepted_cx == {}
    assert not one.dul.is_alive()


def test_an_event_report_is_the_one_request_that_is_served_on_a_thread_of_its_own() -> None:
    """`Association._serve_request` brings it back to its own."""
    handling = source(dimse.DIMSEServiceProvider.receive_primitive)
    assert handling.count("threading.Thread(") == 1
    assert "make_target(self.assoc._serve_request)" in handling


def test_the_thread_of_the_provider_is_started_in_one_place() -> None:
    """`start` is where we take hold of the association's thread instead."""
    assert "self.dul.start()" in source(association.Association.run_reactor)
    assert "self.dul.start()" in source(association.Association.request)
    assert "self._dul_ready.wait()" in source(association.Association.run_reactor)


def test_killing_waits_for_a_living_provider_only() -> None:
    assert "while self.dul.is_alive()" in source(association.Association.kill)


def test_the_state_machine_has_the_states_and_events_we_name() -> None:
    table = fsm.TRANSITION_TABLE
    assert table[("Evt5", "Sta1")] == "AE-5"
    assert table[("Evt17", "Sta6")] == "AA-4"
    assert table[("Evt18", "Sta2")] == table[("Evt18", "Sta13")] == "AA-2"
    assert table[("Evt19", "Sta6")] == "AA-8"
    assert table[("Evt17", "Sta13")] == "AR-5"
    assert "kill_dul" in source(fsm.AA_2) and "kill_dul" in source(fsm.AR_5)


def test_a_request_can_be_rejected_before_negotiation() -> None:
    text = source(association.Association.run_reactor)
    assert "EVT_REQUESTED" in text
    assert "if not self.is_aborted and not self.is_rejected" in text


def test_negotiation_does_without_contexts_and_tells_us_when_it_has_accepted() -> None:
    """`negotiating.py` takes them out before, and puts what stands in place after."""
    text = source(acse.ACSE._negotiate_as_acceptor)
    assert text.index("_accepted_cx = {") < text.index("self.send_accept()") < text.index("EVT_ACCEPTED")
    assert presentation.negotiate_as_acceptor([], []) == ([], [])


def test_an_acceptance_is_a_list_of_items_until_it_is_sent() -> None:
    assert "dul._send(A_ASSOCIATE_AC(primitive))" in source(fsm.AE_7)
    text = source(pdu.A_ASSOCIATE_AC.from_primitive)
    assert text.index("ApplicationContextItem()") < text.index("self.variable_items.append")


def test_nothing_of_pynetdicom_speaks() -> None:
    import logging

    from pynetdicom import _config

    assert not logging.getLogger("pynetdicom.association").isEnabledFor(logging.CRITICAL)
    assert not logging.getLogger("pydicom").isEnabledFor(logging.CRITICAL)
    assert _config.LOG_HANDLER_LEVEL == "none"
    assert not _config.STORE_RECV_CHUNKED_DATASET
