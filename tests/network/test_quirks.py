"""Difficult peers, each played by a simulator that fails unless its quirk is minded."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

from proxy.network import messages
from proxy.network.door import Caller
from proxy.network.inbox import Store
from proxy.network.quirks import (
    ABORT_ON_CANCEL,
    NO_CLASS,
    NO_EXTENDED,
    ONE_IMAGE,
    QUIRKS,
    SMALL_PDU,
    pdu_limit,
)
from proxy.network.scu import Peer, SendResult, send
from tests.network.conftest import Listen
from tests.network.people import Guest, image, outgoing, wait_for
from tests.network.strangers import CT, EXPLICIT, Stranger, data, store_command

HERE = "127.0.0.1"
P_DATA, RELEASE, ABORT = 4, 5, 7


@dataclass
class Difficult(Guest):
    """A door whose callers all have these quirks."""

    known: frozenset[str] = frozenset()

    def quirks(self, caller: Caller) -> frozenset[str]:
        return self.known


@dataclass
class Archive:
    """What a simulator saw: images of each association, lengths of PDUs, and how associations ended."""

    associations: list[int] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    longest: int = 0


@contextmanager
def archive(takes: int = 1_000_000, said: int = 0, longest: int = 0) -> Iterator[tuple[int, Archive]]:
    """A storage SCP by pynetdicom. It aborts at image number `takes`, and at a PDU that is too long for it."""
    seen = Archive()

    def opened(event: evt.Event) -> None:
        seen.associations.append(0)

    def stored(event: evt.Event) -> int:
        seen.associations[-1] += 1
        if seen.associations[-1] > takes:
            event.assoc.abort()
        return 0

    def received(event: evt.Event) -> None:
        if event.pdu.pdu_type == P_DATA:
            seen.longest = max(seen.longest, event.pdu.pdu_length)
            if longest and event.pdu.pdu_length > longest:
                event.assoc.abort()

    def ended(how: str) -> Callable[[evt.Event], None]:
        return lambda event: seen.ends.append(how)

    ae = AE(ae_title="ARCHIVE")
    ae.maximum_pdu_size = said or 16382
    ae.add_supported_context(CT, [EXPLICIT])
    handlers: Any = [
        (evt.EVT_ACCEPTED, opened),
        (evt.EVT_C_STORE, stored),
        (evt.EVT_PDU_RECV, received),
        (evt.EVT_RELEASED, ended("released")),
        (evt.EVT_ABORTED, ended("aborted")),
    ]
    server = ae.start_server((HERE, 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()


def sent(
    port: int, folder: Path, count: int, *quirks: str, keep: Callable[[], bool] = lambda: True
) -> list[Any]:
    items = [outgoing(image(number, rows=128), folder, number) for number in range(count)]
    results: list[SendResult] = []
    peer = Peer("ARCHIVE", HERE, port, acse_timeout=60, dimse_timeout=60, quirks=frozenset(quirks))
    send(peer, items, results.append, keep)
    assert sorted(one.ordinal for one in results) == list(range(count))
    return [one.verdict for one in sorted(results, key=lambda one: one.ordinal)]


def test_every_quirk_is_said_in_a_sentence() -> None:
    assert set(QUIRKS) == {SMALL_PDU, ONE_IMAGE, NO_EXTENDED, NO_CLASS, ABORT_ON_CANCEL}
    assert all(sentence.endswith(".") for sentence in QUIRKS.values())


@pytest.mark.parametrize(("wanted", "given"), [(0, 16384), (4096, 4096), (1 << 20, 16384)])
def test_small_pdus_are_small_whatever_is_announced(wanted: int, given: int) -> None:
    assert pdu_limit(wanted, frozenset({SMALL_PDU})) == given
    assert pdu_limit(wanted, frozenset()) == wanted


class TestSmallPdu:
    def test_a_peer_that_announces_more_than_it_takes(self, tmp_path: Path) -> None:
        with archive(said=131_072, longest=16_384) as (port, _):
            assert sent(port, tmp_path, 2) == ["later", "later"]
            assert sent(port, tmp_path, 2, SMALL_PDU) == ["stored", "stored"]

    def test_we_announce_little_to_it(self, listen: Listen) -> None:
        for quirks, most in ((frozenset[str](), 1 << 20), (frozenset({SMALL_PDU}), 16_384)):
            listener, _ = listen(Difficult(known=quirks), max_pdu=1 << 20)
            with Stranger(listener.port) as stranger:
                _, answer = stranger.associate()
                at = answer.index(b"\x51\x00\x00\x04") + 4
                assert int.from_bytes(answer[at : at + 4], "big") == most


def test_a_peer_that_takes_one_image_at_a_time(tmp_path: Path) -> None:
    with archive(takes=1) as (port, seen):
        assert sent(port, tmp_path, 3) == ["stored", "later", "later"]
        seen.associations.clear()
        assert sent(port, tmp_path, 3, ONE_IMAGE) == ["stored"] * 3
        assert seen.associations == [1, 1, 1]


class TestNoExtendedNegotiation:
    @pytest.mark.parametrize(("quirks", "seen"), [((), [CT]), ((NO_EXTENDED,), [])])
    def test_what_it_proposes_is_not_looked_at(
        self, listen: Listen, quirks: tuple[str, ...], seen: list[str]
    ) -> None:
        listener, _ = listen(Difficult(known=frozenset(quirks)))
        ae = AE(ae_title="OLD_CT")
        ae.add_requested_context(CT, EXPLICIT)
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid, role.scu_role, role.scp_role = CT, True, True
        association = ae.associate(HERE, listener.port, ext_neg=[role])
        assert association.is_established
        assert listener._server is not None
        [ours] = listener._server.running()
        assert list(ours.requestor.role_selection) == seen
        association.release()

    def test_we_propose_none(self, tmp_path: Path) -> None:
        proposed: list[bytes] = []

        def listen_once(door: socket.socket) -> None:
            with door.accept()[0] as caller:
                proposed.append(caller.recv(65536))

        with socket.create_server((HERE, 0)) as door:
            thread = threading.Thread(target=listen_once, args=(door,))
            thread.start()
            assert sent(door.getsockname()[1], tmp_path, 1, NO_EXTENDED) == ["later"]
            thread.join()
        user_information = proposed[0][proposed[0].index(b"\x50\x00") + 4 :]
        assert list(_kinds(user_information)) == [0x51, 0x52, 0x55]  # length, class UID and version name


def _kinds(items: bytes) -> Iterator[int]:
    while items:
        yield items[0]
        items = items[4 + int.from_bytes(items[2:4], "big") :]


@pytest.mark.parametrize(("quirks", "status"), [((), 0x0122), ((NO_CLASS,), 0)])
def test_a_store_that_does_not_name_its_class(listen: Listen, quirks: tuple[str, ...], status: int) -> None:
    listener, guest = listen(Difficult(known=frozenset(quirks)))
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(3, 3, store_command(sop_class="")) + data(3, 2, b"12"))
        assert stranger.status() == status
    assert [bag.command.sop_class_uid for bag in guest.bags] == ([CT] if quirks else [])


@pytest.mark.parametrize(("quirks", "end"), [((), "released"), ((ABORT_ON_CANCEL,), "aborted")])
def test_when_we_stop_early(tmp_path: Path, quirks: tuple[str, ...], end: str) -> None:
    left = iter([True, False, False])
    with archive() as (port, seen):
        verdicts = sent(port, tmp_path, 3, *quirks, keep=lambda: next(left))
        assert verdicts == ["stored", "later", "later"]
        wait_for(lambda: bool(seen.ends))
        assert seen.ends == [end]
    with archive() as (port, seen):  # and at the end of the batch in order, whatever the quirk
        assert sent(port, tmp_path, 1, *quirks) == ["stored"]
        wait_for(lambda: bool(seen.ends))
    assert seen.ends == ["released"]


def test_a_missing_class_opens_no_context_that_is_there_to_be_given_only() -> None:
    """`negotiated` names no class where nothing may be stored."""
    said: list[bytes] = []
    command = messages.parse_command(messages.store_request("", "1.2.3", 1))
    store = Store(1, command, lambda context_id, answer: said.append(answer))
    guest = Guest()
    store.begin(
        guest, Caller("DICOMRCV", "CT", "127.0.0.1", 1), ("", "1.2.840.10008.1.2"), frozenset({NO_CLASS})
    )
    store.finish()
    assert guest.bags == []
    assert messages.parse_command(said[0]).number(messages.STATUS) == 0x0122
