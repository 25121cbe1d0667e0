"""Whatever a node sends as a query, it is answered, soon, and the next one is answered too."""

import struct
import time
from io import BytesIO
from typing import Any

import pytest
from pynetdicom.dimse_primitives import C_FIND

from proxy.network.finding import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from tests.network.test_identifier import deep, element
from tests.retrieval.query import wire

LEVEL = element(0x00080052, b"CS", b"STUDY ")
SOON = 20.0


def raw(made: Any, data: bytes, sop_class: str = STUDY_ROOT_FIND) -> int:
    """The status that answers these bytes; pending ones are passed over."""
    request = C_FIND()
    request.MessageID, request.AffectedSOPClassUID, request.Priority = 1, sop_class, 2
    request.Identifier = BytesIO(data) if data else None
    context = next(one for one in made.accepted_contexts if one.abstract_syntax == STUDY_ROOT_FIND)
    wire.keep_answers(made)
    made.dimse.send_msg(request, context.context_id)
    status = 0xFF00
    while status in (0xFF00, 0xFF01):
        _, answer = made.dimse.get_msg(block=True)
        assert answer is not None, "no answer came"
        status = int(answer.Status)
    made._reactor_checkpoint.set()
    return status


def known(text: bytes, tag: int = 0x00080050, vr: bytes = b"SH") -> bytes:
    return LEVEL + element(tag, vr, text)


def long(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 0xA900),
        (b"\x01", 0xC000),
        (LEVEL + b"".join(element(0x00090000 + n, b"LO", b"") for n in range(1, 10_000)), 0xC000),
        (LEVEL + deep(10_000), 0xC000),
        (LEVEL + long(0x00081030, b"UT", b"*A" * 500_000), 0xA900),
        (LEVEL + long(0x00081030, b"UN", b"Thorax"), 0),
        (known(b"*A" * 500), 0),
        (known(b"%_\\%"), 0),
        (known(b"'; DROP TABLE studies_study; --"), 0),
        (known(b"\0\0\0\0"), 0),
        (known(b"A\0B "), 0),
        (known(b"\xff\xfe\x00\x1b$B", 0x00081030, b"LO"), 0),
        (known(b"99999999", 0x00080020, b"DA"), 0xA900),
        (known(b"\\".join(b"1.2.%d" % n for n in range(6_000)), 0x0020000D, b"UI"), 0),
        (LEVEL + long(0x00080020, b"SQ", b""), 0xA900),
        (element(0x00080052, b"CS", b"IMAGES"), 0xA900),
    ],
    ids=range(16),
)
def test_it_is_answered_soon_and_the_next_one_too(port: int, data: bytes, status: int) -> None:
    with wire.association(port, "WARD") as made:
        began = time.monotonic()
        assert raw(made, data) == status
        assert time.monotonic() - began < SOON
        assert raw(made, LEVEL) == 0


def test_the_class_is_that_of_the_context(port: int) -> None:
    with wire.association(port, "WARD") as made:
        assert raw(made, LEVEL, PATIENT_ROOT_FIND) == 0x0122


def test_a_peer_that_goes_away_in_the_middle_leaves_nothing_behind(port: int) -> None:
    with wire.association(port, "WARD") as made:
        answers = made.send_c_find(wire.identifier("STUDY", {"StudyInstanceUID": ""}), STUDY_ROOT_FIND)
        next(answers)
        made.abort()
    assert wire.ask(port, "STUDY", StudyInstanceUID="1.2.1.0").status == 0
