"""An association we asked for, to store images over.

Negotiation, release and abort are pynetdicom's, driven by our reactor. An image goes from its file to the socket
inside the kernel (`sendfile`), with a short header before each fragment; the answer is read on this thread. Two
habits of TCP cost 40 ms an image each if left alone: a header that is sent before its fragment (MSG_MORE holds it
back), and a peer that waits for our acknowledgement before it sends the end of its answer (TCP_QUICKACK, which
has to be said again before every wait).
"""

import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynetdicom import AE
from pynetdicom.transport import AddressInformation

from proxy.network import messages
from proxy.network.inbox import Gathered, Inbox
from proxy.network.messages import COMMAND, LAST, Command
from proxy.network.part10 import data_set_offset
from proxy.network.quiet import hush
from proxy.network.reactor import Association
from proxy.network.wire import Wire

hush()

LONGEST_PDU = 256 * 1024  # a peer without a limit gets this much at a time
LOST = "The association was lost while an image was on its way: it is sent again."
SILENT = "The peer gave no answer in time: the image is sent again."


@dataclass(frozen=True, slots=True)
class Peer:
    ae_title: str
    host: str
    port: int
    calling_ae: str = "DICOMRCV"
    max_pdu: int = 16384
    acse_timeout: float = 30.0
    dimse_timeout: float = 60.0
    network_timeout: float = 60.0
    connect_timeout: float = 10.0
    tls: ssl.SSLContext | None = None


class Lost(Exception):
    """The association is gone, or never came to be; the message is a sentence for an operator."""


class Line:
    """Raises Lost when the peer does not take the association, and whenever it is lost later."""

    def __init__(self, peer: Peer, contexts: Sequence[Any]) -> None:
        self._peer = peer
        self._message_id = 0
        self._answer: Command | None = None
        self._midway = False  # an image has begun and has no answer
        try:
            self._assoc = _association(peer, contexts, self._open_message)
        except OSError as error:
            raise Lost(f"{_where(peer)} cannot be reached ({type(error).__name__}).") from None
        self._assoc.request()
        if not self._assoc.is_established and not self._took_nothing():
            self._assoc.dul.socket.dispose()
            raise Lost(self._why_not())
        self.accepted = {
            (str(one.abstract_syntax), str(one.transfer_syntax[0])): int(one.context_id)
            for one in self._assoc.accepted_contexts
        }
        most = int(self._assoc.acceptor.maximum_length or LONGEST_PDU)
        self._fragment = max(min(most, LONGEST_PDU) - 6, 2)

    def _took_nothing(self) -> bool:
        """The peer let us in but accepted no context: that is an answer about every image of the round."""
        answer = self._assoc.acceptor.primitive
        return answer is not None and answer.result == 0 and not self._assoc.accepted_contexts

    def _why_not(self) -> str:
        if not self._assoc.is_rejected:
            return f"{_where(self._peer)} did not take the association: check the address, and that it is running."
        answer = self._assoc.acceptor.primitive
        numbers = f"{answer.result}/{answer.result_source}/{answer.diagnostic}"
        return f"{_where(self._peer)} rejected the association ({numbers}: {answer.reason_str})."

    def _open_message(self, context_id: int, encoded: bytes, command: Command) -> Gathered | None:
        if command.number(messages.COMMAND_FIELD) == messages.C_STORE_RSP:
            self._answer = command
            return None
        if command.has_data_set:
            return Gathered(context_id, encoded, self._assoc.pass_on)
        self._assoc.pass_on(context_id, encoded, None)
        return None

    def echo(self) -> int:
        answer = self._assoc.send_c_echo() if self._assoc.is_established else None
        if answer is None or "Status" not in answer:
            raise Lost("The peer accepted the association but did not answer the echo.")
        return int(answer.Status)

    def store_file(self, context_id: int, sop_class: str, sop_instance: str, path: Path) -> int:
        """The data set of a Part 10 file as it is. Returns the status. Raises OSError before anything is sent."""
        with path.open("rb") as file:
            offset = data_set_offset(file)
            length = os.fstat(file.fileno()).st_size - offset
            self._open_request(context_id, sop_class, sop_instance)
            if self._assoc.dul.socket.is_plain:
                self._send_file(context_id, file.fileno(), offset, length)
            else:
                file.seek(offset)
                self._send_pieces(context_id, file.read, length)
        return self._await_answer()

    def store_bytes(self, context_id: int, sop_class: str, sop_instance: str, data: bytes) -> int:
        rest = memoryview(data)

        def read(count: int) -> memoryview:
            nonlocal rest
            piece, rest = rest[:count], rest[count:]
            return piece

        self._open_request(context_id, sop_class, sop_instance)
        self._send_pieces(context_id, read, len(data))
        return self._await_answer()

    def _open_request(self, context_id: int, sop_class: str, sop_instance: str) -> None:
        self._message_id = self._message_id % 0xFFFF + 1
        self._answer, self._midway = None, True
        command = messages.store_request(sop_class, sop_instance, self._message_id)
        for pdu in messages.fragments(context_id, COMMAND, command, self._fragment + 6):
            self._write(pdu, socket.MSG_MORE)

    def _write(self, data: bytes | memoryview, flags: int = 0) -> None:
        if not self._assoc.dul.socket.write(data, flags):
            raise Lost(LOST)

    def _send_file(self, context_id: int, descriptor: int, offset: int, length: int) -> None:
        wire = self._assoc.dul.socket
        end = offset + length
        while offset < end:
            count = min(self._fragment, end - offset)
            last = LAST if offset + count == end else 0
            self._write(messages.header(context_id, last, count), socket.MSG_MORE)
            if not wire.write_file(descriptor, offset, count):
                raise Lost(LOST)
            offset += count

    def _send_pieces(self, context_id: int, read: Callable[[int], bytes | memoryview], length: int) -> None:
        while length > 0:
            count = min(self._fragment, length)
            length -= count
            self._write(messages.header(context_id, 0 if length else LAST, count), socket.MSG_MORE)
            self._write(read(count), socket.MSG_MORE if length else 0)

    def _await_answer(self) -> int:
        deadline = time.monotonic() + self._peer.dimse_timeout
        dul = self._assoc.dul
        while self._answer is None and not dul.over and dul.state == "Sta6":
            if time.monotonic() > deadline:
                self._assoc.abort()
                raise Lost(SILENT)
            dul.pump(deadline)
        status = self._answer.number(messages.STATUS) if self._answer is not None else None
        if status is None:
            raise Lost(LOST)
        self._midway = False
        return status

    def close(self) -> None:
        """Release if that can be done in order, else abort; nothing stays open."""
        try:
            if self._assoc.is_established and not self._assoc.dul.over:
                self._assoc.abort() if self._midway else self._assoc.release()
        finally:
            self._assoc.kill()
            self._assoc.dul.socket.dispose()


def _where(peer: Peer) -> str:
    return f"{peer.ae_title} at {peer.host}:{peer.port}"


def _association(peer: Peer, contexts: Sequence[Any], open_message: Any) -> Association:
    """What pynetdicom's `AE.associate` builds, around our reactor."""
    ae = AE(ae_title=peer.calling_ae)
    ae.maximum_pdu_size = peer.max_pdu
    ae.acse_timeout, ae.dimse_timeout = peer.acse_timeout, peer.dimse_timeout
    ae.network_timeout, ae.connection_timeout = peer.network_timeout, peer.connect_timeout
    remote = AddressInformation.from_tuple((peer.host, peer.port))
    local = AddressInformation.from_tuple(("", 0) if remote.is_ipv4 else ("::0", 0))
    association = Association(ae, "requestor")
    wire = Wire(association, peer.network_timeout, address=local)
    wire.tls_args = (peer.tls, peer.host) if peer.tls is not None else None
    association.set_socket(wire)
    association.inbox = Inbox(open_message)
    association.acceptor.ae_title, association.acceptor.address_info = peer.ae_title, remote
    ours = association.requestor
    ours.address_info, ours.ae_title, ours.maximum_length = local, peer.calling_ae, peer.max_pdu
    ours.implementation_class_uid = ae.implementation_class_uid
    ours.implementation_version_name = ae.implementation_version_name
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    ours.requested_contexts = list(contexts)
    return association
