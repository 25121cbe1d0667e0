"""A peer that may do anything: it speaks bytes over a socket, well-formed or not."""

import socket
import struct
from typing import Any

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from pynetdicom.transport import AddressInformation

from proxy.network import messages

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
RELEASE_RQ = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
RELEASE_RP = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"
ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00"


def request(called: str = "DICOMRCV", classes: tuple[str, ...] = ("1.2.840.10008.1.1", CT)) -> bytes:
    """A well-formed association request."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "STRANGER", called
    primitive.calling_presentation_address = AddressInformation("127.0.0.1", 1)
    primitive.called_presentation_address = AddressInformation("127.0.0.1", 1)
    contexts = [build_context(uid, ["1.2.840.10008.1.2", EXPLICIT]) for uid in classes]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    longest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    longest.maximum_length_received = 16384
    implementation.implementation_class_uid = "1.2.826.0.1.3680043.9.3811.3.0.0"
    primitive.user_information = [longest, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def data(context_id: int, control: int, payload: bytes) -> bytes:
    return messages.header(context_id, control, len(payload)) + payload


def store_command(message_id: int = 1, sop_class: str = CT, sop_instance: str = "1.2.3.4") -> bytes:
    return messages.store_request(sop_class, sop_instance, message_id)


class Stranger:
    def __init__(self, port: int, timeout: float = 60.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def associate(self, **options: Any) -> tuple[int, bytes]:
        self.say(request(**options))
        return self.hear()

    def hear(self) -> tuple[int, bytes]:
        """The next PDU: its type and its body; type 0 when the other side hung up."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxL", head)
        return kind, self._exactly(length)

    def status(self) -> int | None:
        """The status in the next message."""
        kind, body = self.hear()
        assert kind == 4, kind
        return messages.parse_command(body[6:]).number(messages.STATUS)

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            try:
                piece = self.socket.recv(count - len(got))
            except ConnectionError:
                return got
            if not piece:
                return got
            got += piece
        return got

    def hung_up(self) -> bool:
        return self.hear()[0] == 0

    def close(self) -> None:
        self.socket.close()
