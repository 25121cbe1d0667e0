"""The cutting of bytes into PDUs, with plain values: however they arrive, the same is understood."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.network import messages
from proxy.network.messages import COMMAND, LAST, Malformed
from proxy.network.pdus import Pdus


class Heard:
    def __init__(self) -> None:
        self.values: list[tuple[int, int, bytes]] = []
        self.controls: list[bytes] = []
        self.boundaries = self.calls = 0
        self._piece = b""

    def fragment(self, context_id: int, control: int, view: memoryview, ends: bool) -> None:
        self.calls += 1
        self._piece += bytes(view)
        if ends:
            self.values.append((context_id, control, self._piece))
            self._piece = b""

    @property
    def joined(self) -> list[tuple[int, int, bytes]]:
        return joined(self.values)

    def control(self, pdu: bytes) -> None:
        self.controls.append(pdu)

    def boundary(self) -> None:
        self.boundaries += 1


def joined(values: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Fragments of one data set, which may be told together, as one; commands as they are."""
    result: list[tuple[int, int, bytes]] = []
    for context_id, control, piece in values:
        if result and result[-1][:2] == (context_id, 0) and not control & COMMAND:
            result[-1] = (context_id, control, result[-1][2] + piece)
        elif piece or control & (COMMAND | LAST):
            result.append((context_id, control, piece))
    return result


def understand(stream: bytes, steps: list[int], size: int = 64) -> Heard:
    heard = Heard()
    pdus = Pdus(heard, longest_data=0, size=size)
    turn = 0
    while stream:
        room = pdus.room()
        count = min(len(room), len(stream), steps[turn % len(steps)])
        room[:count] = stream[:count]
        stream = stream[count:]
        turn += 1
        pdus.took(count)
    return heard


values = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 3), st.binary(max_size=300)), max_size=6)


@example([(0, 0, b"\0"), (0, 1, b"\0")], [25])  # the second one's header came, and nothing of its value
@given(values, st.lists(st.integers(1, 70), min_size=1, max_size=5))
def test_however_bytes_arrive_the_same_values_come_out(
    sent: list[tuple[int, int, bytes]], steps: list[int]
) -> None:
    release = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
    stream = (
        b"".join(messages.header(cid, control, len(piece)) + piece for cid, control, piece in sent) + release
    )
    heard = understand(stream, steps)
    assert heard.joined == joined(sent)
    assert heard.boundaries == len(sent)
    assert heard.controls == [release]


def test_fragments_that_come_together_are_told_together() -> None:
    pieces = [bytes([number]) * 100 for number in range(10)]
    stream = b"".join(messages.header(1, 0, len(piece)) + piece for piece in pieces[:-1])
    stream += messages.header(1, LAST, 100) + pieces[-1]
    heard = understand(stream, [10_000], size=10_000)
    assert heard.values == [(1, LAST, b"".join(pieces))]
    assert heard.calls == 1
    assert heard.boundaries == 10


@pytest.mark.parametrize("control", [COMMAND, COMMAND | LAST])
def test_commands_are_told_one_by_one(control: int) -> None:
    stream = b"".join(messages.header(1, control, 4) + b"abcd" for _ in range(3))
    assert understand(stream, [1000], size=1000).values == [(1, control, b"abcd")] * 3


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(1, 70), min_size=1, max_size=3))
def test_any_bytes_are_understood_or_malformed(stream: bytes, steps: list[int]) -> None:
    try:
        understand(stream, steps)
    except Malformed as malformed:
        assert str(malformed)


@given(st.binary(max_size=200))
def test_any_command_is_understood_or_malformed(encoded: bytes) -> None:
    try:
        command = messages.parse_command(encoded)
    except Malformed:
        return
    assert command.text(messages.AFFECTED_CLASS) is not None


def test_a_response_says_what_it_was_told() -> None:
    encoded = messages.store_response("1.2.3", "1.2.3.4", 7, 0xA700, "Disk is full")
    command = messages.parse_command(encoded)
    assert command.number(messages.STATUS) == 0xA700
    assert command.number(messages.RESPONDED_TO) == 7
    assert command.text(messages.ERROR_COMMENT) == "Disk is full"
    assert command.text(messages.AFFECTED_INSTANCE) == "1.2.3.4"
    assert not command.has_data_set


@pytest.mark.parametrize("max_pdu", [0, 8, 50, 16384])
def test_an_answer_fits_the_peers_pdus(max_pdu: int) -> None:
    pdus = list(messages.fragments(3, messages.COMMAND, b"x" * 100, max_pdu))
    assert b"".join(pdu[12:] for pdu in pdus) == b"x" * 100
    assert all(len(pdu) - 6 <= max_pdu for pdu in pdus) or not max_pdu
    assert [pdu[11] for pdu in pdus] == [1] * (len(pdus) - 1) + [3]


def test_a_longer_pdu_than_announced_is_endured_up_to_a_megabyte() -> None:
    pdus = Pdus(Heard(), longest_data=16384)
    for length, good in ((16384 + 6, True), (2 * 1024 * 1024, False)):
        head = b"\x04\x00" + length.to_bytes(4, "big")
        pdus.room()[:6] = head
        if good:
            pdus.took(6)
            pdus = Pdus(Heard(), longest_data=16384)
        else:
            with pytest.raises(Malformed):
                pdus.took(6)
