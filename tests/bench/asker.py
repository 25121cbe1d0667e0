"""Who asks in benchmarks of queries: bytes over a socket, so that what is measured is the one who answers.

pynetdicom takes two milliseconds to ask and a quarter of one to read an answer, more than most servers need; here an
identifier is encoded once, and an answer costs its asker some microseconds.
"""

import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType

from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from pynetdicom.transport import AddressInformation

from proxy.network import messages

HERE = "127.0.0.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT = "1.2.840.10008.1.2"
LONGEST = 65_536  # bytes of a PDU that we take
PATIENCE = 600.0  # names of a hundred thousand persons are decrypted meanwhile
RELEASE = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
ACCEPTED, DATA = 2, 4
PENDING = frozenset({0xFF00, 0xFF01})
_HEAD, _PDV = struct.Struct(">BxL"), struct.Struct(">LBB")


@dataclass(frozen=True)
class Heard:
    """How many answers came, how the query ended, and after how many milliseconds the first answer was there."""

    answers: int
    status: int
    first: float


class Asker:
    """One association for queries. Raises RuntimeError where it is not taken, or ends too early."""

    def __init__(self, port: int, called: str, calling: str) -> None:
        self.socket = socket.create_connection((HERE, port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._kept = bytearray()
        self._message_id = 0
        self.socket.sendall(_request(called, calling))
        kind, body = self._pdu()
        if kind != ACCEPTED or not _is_taken(body):
            raise RuntimeError(f"{called} takes no queries")

    def __enter__(self) -> "Asker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.socket.sendall(RELEASE)
            self._pdu()
        self.socket.close()

    def ask(self, identifier: bytes) -> Heard:
        self._message_id = self._message_id % 0xFFFF + 1
        command = messages.identifier_request(messages.C_FIND_RQ, STUDY_ROOT, self._message_id)
        pdus = [
            *messages.fragments(1, messages.COMMAND, command, 16_384),
            *messages.fragments(1, 0, identifier, 16_384),
        ]
        began, first, answers = time.perf_counter(), 0.0, 0
        self.socket.sendall(b"".join(pdus))
        while (status := self._status()) in PENDING:
            first = first or (time.perf_counter() - began) * 1e3
            answers += 1
        return Heard(answers, status, first)

    def _status(self) -> int:
        """Of the next response. Each of its fragments is one that is whole: commands of queries are short."""
        while True:
            kind, body = self._pdu()
            if kind != DATA:
                raise RuntimeError(f"an association ended with a PDU of type {kind}")
            at, found = 0, None
            while at < len(body):
                length, _, control = _PDV.unpack_from(body, at)
                if control & messages.COMMAND:
                    found = messages.parse_command(body[at + 6 : at + 4 + length]).number(messages.STATUS)
                at += 4 + length
            if found is not None:
                return found

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = _HEAD.unpack(self._taken(6))
        return kind, self._taken(length)

    def _taken(self, count: int) -> bytes:
        while len(self._kept) < count:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise RuntimeError("the other side hung up")
            self._kept += piece
        taken = bytes(self._kept[:count])
        del self._kept[:count]
        return taken


def encoded(identifier: Dataset) -> bytes:
    return encode(identifier, is_implicit_vr=True, is_little_endian=True) or b""


def _is_taken(body: bytes) -> bool:
    pdu = A_ASSOCIATE_AC()
    pdu.decode(_HEAD.pack(ACCEPTED, len(body)) + body)
    return bool(pdu.presentation_context[0].result == 0)


def _request(called: str, calling: str) -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.calling_presentation_address = AddressInformation(HERE, 1)
    primitive.called_presentation_address = AddressInformation(HERE, 1)
    context = build_context(STUDY_ROOT, [IMPLICIT])
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    longest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    longest.maximum_length_received = LONGEST
    implementation.implementation_class_uid = "1.2.826.0.1.3680043.9.3811.3.0.0"
    primitive.user_information = [longest, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())
