"""Who we say we are, on the wire and on the disk."""

from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from proxy.deid import part10
from proxy.network.implementation import CLASS_UID, VERSION_NAME
from proxy.network.scu import Peer, echo
from tests.network.conftest import Listen

HERE = "127.0.0.1"
NAMED = (part10.IMPLEMENTATION_CLASS_UID, part10.IMPLEMENTATION_VERSION)


def test_files_and_associations_name_one_implementation() -> None:
    assert (CLASS_UID, VERSION_NAME) == NAMED


def test_a_caller_learns_who_we_are(listen: Listen) -> None:
    listener, _ = listen()
    caller = AE(ae_title="CT_EAST")
    caller.add_requested_context(Verification)
    association = caller.associate(HERE, listener.port)
    assert association.is_established
    acceptor = association.acceptor
    assert (acceptor.implementation_class_uid, acceptor.implementation_version_name) == NAMED
    association.release()


def test_whom_we_call_learns_who_we_are() -> None:
    heard: list[tuple[Any, Any]] = []

    def note(event: Any) -> None:
        requestor = event.assoc.requestor
        heard.append((requestor.implementation_class_uid, requestor.implementation_version_name))

    archive = AE(ae_title="ARCHIVE")
    archive.add_supported_context(Verification)
    server = archive.start_server((HERE, 0), block=False, evt_handlers=[(evt.EVT_REQUESTED, note)])
    try:
        assert echo(Peer("ARCHIVE", HERE, server.server_address[1])).ok
    finally:
        server.shutdown()
    assert heard == [NAMED]
