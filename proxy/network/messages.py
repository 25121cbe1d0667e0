"""The few message forms of the fast path, as plain functions from bytes to values and back.

A command set is implicit little endian and has only elements of group 0000 (PS3.7 6.3.1); a P-DATA-TF PDU
wraps its fragments (PS3.8 9.3.5). Everything a peer says is checked against its own length first.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_GET_RQ, C_GET_RSP, C_MOVE_RQ, C_MOVE_RSP, C_CANCEL_RQ = 0x0010, 0x8010, 0x0021, 0x8021, 0x0FFF
C_FIND_RQ, C_FIND_RSP = 0x0020, 0x8020
NO_DATA_SET = 0x0101
LAST, COMMAND = 2, 1

AFFECTED_CLASS, AFFECTED_INSTANCE = 0x0002, 0x1000
COMMAND_FIELD, MESSAGE_ID, RESPONDED_TO, DATA_SET_TYPE = 0x0100, 0x0110, 0x0120, 0x0800
PRIORITY, STATUS, ERROR_COMMENT = 0x0700, 0x0900, 0x0902
MOVE_AE, MOVE_MESSAGE_ID, MOVE_DESTINATION = 0x1030, 0x1031, 0x0600
REMAINING, COMPLETED, FAILED, WARNED = 0x1020, 0x1021, 0x1022, 0x1023

_ELEMENT = struct.Struct("<HHL")
_PDU = struct.Struct(">BxL")
_PDV = struct.Struct(">LBB")


class Malformed(ValueError):
    """The peer's bytes contradict themselves."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command set, its values still encoded, by element number."""

    values: dict[int, bytes]

    def number(self, element: int) -> int | None:
        value = self.values.get(element)
        return int.from_bytes(value, "little") if value is not None and len(value) == 2 else None

    def text(self, element: int) -> str:
        return self.values.get(element, b"").decode("latin-1").strip(" \0")

    @property
    def has_data_set(self) -> bool:
        return self.number(DATA_SET_TYPE) != NO_DATA_SET


def parse_command(data: bytes | bytearray) -> Command:
    """Raises Malformed."""
    values: dict[int, bytes] = {}
    offset, end = 0, len(data)
    while offset < end:
        if end - offset < 8:
            raise Malformed("a command element is cut off")
        group, element, length = _ELEMENT.unpack_from(data, offset)
        offset += 8 + length
        if group != 0 or offset > end:
            raise Malformed("a command element has a wrong group or length")
        values[element] = bytes(data[offset - length : offset])
    return Command(values)


def _element(number: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, number, len(value)) + value


def _short(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(2, "little"))


def _text(number: int, value: str, pad: bytes) -> bytes:
    encoded = value.encode("ascii", "replace")
    return _element(number, encoded + pad if len(encoded) % 2 else encoded)


def _grouped(elements: bytes) -> bytes:
    return _element(0, len(elements).to_bytes(4, "little")) + elements


def store_response(sop_class: str, sop_instance: str, message_id: int, status: int, comment: str) -> bytes:
    """The command set of a C-STORE-RSP (PS3.7 9.3.1.2)."""
    return _grouped(
        (_text(AFFECTED_CLASS, sop_class, b"\0") if sop_class else b"")
        + _short(COMMAND_FIELD, C_STORE_RSP)
        + _short(RESPONDED_TO, message_id)
        + _short(DATA_SET_TYPE, NO_DATA_SET)
        + _short(STATUS, status)
        + (_text(ERROR_COMMENT, comment[:64], b" ") if comment else b"")
        + (_text(AFFECTED_INSTANCE, sop_instance, b"\0") if sop_instance else b"")
    )


@dataclass(frozen=True, slots=True)
class Mover:
    """Whose C-MOVE brings an image: its AE title and its Message ID."""

    ae_title: str
    message_id: int


def store_request(sop_class: str, sop_instance: str, message_id: int, mover: Mover | None = None) -> bytes:
    """The command set of a C-STORE-RQ of medium priority (PS3.7 9.3.1.1)."""
    return _grouped(
        _text(AFFECTED_CLASS, sop_class, b"\0")
        + _short(COMMAND_FIELD, C_STORE_RQ)
        + _short(MESSAGE_ID, message_id)
        + _short(PRIORITY, 0)
        + _short(DATA_SET_TYPE, 0x0001)
        + _text(AFFECTED_INSTANCE, sop_instance, b"\0")
        + (_moved_by(mover) if mover else b"")
    )


def _moved_by(mover: Mover) -> bytes:
    return _text(MOVE_AE, mover.ae_title, b" ") + _short(MOVE_MESSAGE_ID, mover.message_id)


def retrieve_response(
    field: int,
    sop_class: str,
    message_id: int,
    status: int,
    counts: tuple[int | None, int, int, int],
    *,
    has_data: bool,
) -> bytes:
    """The command set of a C-GET-RSP or C-MOVE-RSP (PS3.7 9.3.3.2, 9.3.4.2); remaining is said while it goes on."""
    numbered = zip((REMAINING, COMPLETED, FAILED, WARNED), counts, strict=True)
    return _grouped(
        _text(AFFECTED_CLASS, sop_class, b"\0")
        + _short(COMMAND_FIELD, field)
        + _short(RESPONDED_TO, message_id)
        + _short(DATA_SET_TYPE, 0x0001 if has_data else NO_DATA_SET)
        + _short(STATUS, status)
        + b"".join(_short(element, min(count, 0xFFFF)) for element, count in numbered if count is not None)
    )


def find_response(
    sop_class: str, message_id: int, status: int, *, has_data: bool = True, comment: str = ""
) -> bytes:
    """The command set of a C-FIND-RSP (PS3.7 9.3.2.2)."""
    return _grouped(
        _text(AFFECTED_CLASS, sop_class, b"\0")
        + _short(COMMAND_FIELD, C_FIND_RSP)
        + _short(RESPONDED_TO, message_id)
        + _short(DATA_SET_TYPE, 0x0001 if has_data else NO_DATA_SET)
        + _short(STATUS, status)
        + (_text(ERROR_COMMENT, comment[:64], b" ") if comment else b"")
    )


def identifier_request(field: int, sop_class: str, message_id: int, to: str = "") -> bytes:
    """The command set of a C-FIND-RQ, C-GET-RQ or C-MOVE-RQ (PS3.7 9.3.2.1, 9.3.3.1, 9.3.4.1)."""
    return _grouped(
        _text(AFFECTED_CLASS, sop_class, b"\0")
        + _short(COMMAND_FIELD, field)
        + _short(MESSAGE_ID, message_id)
        + (_text(MOVE_DESTINATION, to, b" ") if to else b"")
        + _short(PRIORITY, 0)
        + _short(DATA_SET_TYPE, 0x0001)
    )


def cancel_request(message_id: int) -> bytes:
    """The command set of a C-CANCEL-RQ (PS3.7 9.3.2.3)."""
    return _grouped(
        _short(COMMAND_FIELD, C_CANCEL_RQ)
        + _short(RESPONDED_TO, message_id)
        + _short(DATA_SET_TYPE, NO_DATA_SET)
    )


def header(context_id: int, control: int, length: int) -> bytes:
    """What stands before a fragment that has a P-DATA-TF PDU to itself."""
    return _PDU.pack(4, length + 6) + _PDV.pack(length + 2, context_id, control)


def fragments(context_id: int, control: int, data: bytes, max_pdu: int) -> Iterator[bytes]:
    """A short message as PDUs no longer than the peer allows (0 is any length)."""
    most = max(max_pdu - 6, 2) if max_pdu else len(data)
    for start in range(0, len(data), most):
        piece = data[start : start + most]
        last = LAST if start + most >= len(data) else 0
        yield header(context_id, control | last, len(piece)) + piece
