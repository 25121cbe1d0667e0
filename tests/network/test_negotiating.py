"""Presentation contexts: out of a request, answered, and into the acceptance, as pynetdicom would have them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import AE
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.presentation import build_context

from proxy.network import contexts
from proxy.network.messages import Malformed
from proxy.network.negotiating import Answer, Items, Proposal, answers, standing, taken_out
from tests.network.conftest import Listen
from tests.network.strangers import Stranger, request

EXPLICIT, IMPLICIT, RLE = contexts.EXPLICIT_LITTLE, contexts.IMPLICIT_LITTLE, "1.2.840.10008.1.2.5"
CT, RAW = "1.2.840.10008.5.1.4.1.1.2", contexts.RAW_DATA
ALL = frozenset(contexts.ALL_CLASSES)
AC, AA = 2, 7


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def context(context_id: int, *items: tuple[int, bytes]) -> bytes:
    return item(0x20, bytes([context_id, 0, 0, 0]) + b"".join(item(*one) for one in items))


def asking(*more: bytes) -> bytes:
    """A request with these bytes behind its fixed part, before its own items."""
    whole = request()
    body = whole[6:74] + b"".join(more) + whole[74:]
    return struct.pack(">BxL", 1, len(body)) + body


def test_what_is_proposed_is_taken_out_and_the_rest_stays() -> None:
    proposals, rest = taken_out(request())
    plain = (IMPLICIT, EXPLICIT)
    assert proposals == (Proposal(1, contexts.VERIFICATION, plain), Proposal(3, CT, plain))
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(rest)
    assert pdu.pdu_length == len(rest) - 6 == int.from_bytes(rest[2:6], "big")
    assert (pdu.called_ae_title, pdu.presentation_context) == ("DICOMRCV", [])
    assert pdu.user_information.maximum_length == 16384


def test_uids_may_be_padded_and_items_nobody_knows_are_passed_over() -> None:
    odd = context(5, (0x40, b"1.2.840.10008.1.2\0"), (0x77, b"?"), (0x30, CT.encode() + b"\0"))
    assert taken_out(asking(odd))[0][0] == Proposal(5, CT, (IMPLICIT,))


MALFORMED = {
    "an even id": context(2, (0x30, CT.encode()), (0x40, IMPLICIT.encode())),
    "no id": item(0x20, b""),
    "nothing but an id": item(0x20, b"\x01"),
    "no transfer syntax": context(1, (0x30, CT.encode())),
    "a syntax longer than its context": item(0x20, b"\x01\0\0\0" + struct.pack(">BxH", 0x40, 60) + b"1.2"),
    "a context longer than the request": struct.pack(">BxH", 0x20, 60_000) + b"\x01",
    "half a syntax's head": item(0x20, b"\x01\0\0\0\x40\0"),
    "a hundred and thirty contexts": context(1, (0x40, b"1.2")) * 130,
    "ten thousand syntaxes": context(1, *[(0x40, b"1.2")] * 5_000) * 2,
}


@pytest.mark.parametrize("wrong", MALFORMED)
def test_what_contradicts_itself_is_malformed(wrong: str) -> None:
    with pytest.raises(Malformed):
        taken_out(asking(MALFORMED[wrong]))


@pytest.mark.parametrize("wrong", ["an even id", "no transfer syntax", "half a syntax's head"])
def test_and_aborts_the_association(listen: Listen, wrong: str) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.say(asking(MALFORMED[wrong]))
        assert stranger.hear()[0] == AA
    assert guest.callers == []


@given(st.binary(max_size=400))
def test_any_request_is_read_to_its_end_or_malformed(body: bytes) -> None:
    try:
        proposals, rest = taken_out(b"\x01\x00" + len(body).to_bytes(4, "big") + body)
    except Malformed:
        return
    assert len(rest) <= len(body) + 6
    assert len(answers(proposals, ALL)) == len(proposals)


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([(RLE, EXPLICIT)], [RLE]),
        ([(EXPLICIT, RLE)], [EXPLICIT]),
        ([(EXPLICIT, IMPLICIT), (RLE, EXPLICIT, IMPLICIT)], [EXPLICIT, RLE]),
        ([("1.2.3.4", IMPLICIT)], [IMPLICIT]),
        ([(RLE,), (IMPLICIT, RLE)], [RLE, IMPLICIT]),
    ],
)
def test_the_peers_first_choice_is_taken(proposed: list[tuple[str, ...]], chosen: list[str]) -> None:
    given = answers([Proposal(2 * at + 1, CT, syntaxes) for at, syntaxes in enumerate(proposed)], ALL)
    assert [(one.result, one.transfer_syntax) for one in given] == [(0, syntax) for syntax in chosen]


def test_what_we_do_not_take_is_answered_by_its_reason() -> None:
    proposed = [
        Proposal(1, CT, ("1.2.3.4",)),
        Proposal(3, RAW, (EXPLICIT,)),
        Proposal(5, "", (EXPLICIT,)),
        Proposal(7, contexts.PUSH_MODEL, (RLE,)),
    ]
    assert [one.result for one in answers(proposed, ALL | {contexts.PUSH_MODEL})] == [4, 3, 3, 4]


def test_an_echo_is_always_taken_and_never_compressed() -> None:
    proposed = [Proposal(1, contexts.VERIFICATION, (RLE, IMPLICIT))]
    assert answers(proposed, frozenset())[0].transfer_syntax == IMPLICIT


def test_what_stands_is_what_was_accepted_shared_and_ours_to_serve() -> None:
    given = (Answer(1, 0, CT, RLE), Answer(3, 4, CT, IMPLICIT))
    first, second = standing(given), standing(given)
    assert list(first) == [1]
    assert first[1].as_tuple == (1, CT, RLE)
    assert (first[1].as_scp, first[1].as_scu, first[1].result) == (True, False, 0)
    assert first[1] is second[1]


def test_answers_are_encoded_as_pynetdicom_reads_them() -> None:
    items = Items((Answer(1, 0, CT, RLE), Answer(3, 3, RAW, IMPLICIT)))
    pdu = A_ASSOCIATE_AC()
    read = pdu._wrap_generate_items(items.encode())
    assert len(items) == len(items.encode())
    found = [(one.presentation_context_id, one.result_reason, one.transfer_syntax) for one in read]
    assert found == [(1, 0, RLE), (3, 3, IMPLICIT)]


def test_every_context_is_answered_under_its_own_id(listen: Listen) -> None:
    """The same class twice, one we refuse, one whose syntax we do not know, up to all 128."""
    listener, _ = listen()
    proposed = [build_context(CT, [IMPLICIT]), build_context(CT, [RLE]), build_context(RAW, [EXPLICIT])]
    proposed += [build_context(CT, ["1.2.3.4"]) for _ in range(125)]
    association = AE(ae_title="CT_EAST").associate("127.0.0.1", listener.port, contexts=proposed)
    took = {one.context_id: str(one.transfer_syntax[0]) for one in association.accepted_contexts}
    refused = {one.context_id: one.result for one in association.rejected_contexts}
    association.release()
    assert took == {1: IMPLICIT, 3: RLE}
    assert refused == {5: 3} | dict.fromkeys(range(7, 256, 2), 4)
