"""The parser against bodies of our own making, cut anywhere, and against anything at all."""

import random
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.dicomweb.store.multipart import (
    LONGEST_HEADERS,
    LONGEST_PREAMBLE,
    Begins,
    Ends,
    Malformed,
    Multipart,
    Piece,
)

MARK = b"--b0undary"
Parts = list[tuple[dict[str, str], bytes]]


def read(body: bytes, cuts: list[int]) -> Parts:
    """What the parser makes of it when it comes in these pieces."""
    parser, parts = Multipart("b0undary"), []
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    headers: dict[str, str] = {}
    content = bytearray()
    for begin, end in pairwise(edges):
        for event in parser.feed(body[begin:end]):
            match event:
                case Begins(found):
                    headers, content = dict(found), bytearray()
                case Piece(view):
                    content += view
                case Ends():
                    parts.append((headers, bytes(content)))
    parser.finish()
    return parts


contents = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"--b0undar", b"\r\n--b0undar", b"x"])).map(
        b"".join
    ),
)


@given(
    st.lists(contents, min_size=1, max_size=5), st.lists(st.integers(0, 2_000), max_size=12), st.booleans()
)
@example([b"\r\n--b0undar"], [1, 2, 3], True)
@example([b"", b""], [], False)
def test_whatever_is_put_in_comes_out_wherever_it_is_cut(
    wanted: list[bytes], cuts: list[int], preamble: bool
) -> None:
    head = b"some words\r\n" if preamble else b""
    body = (
        head + b"".join(MARK + b" \t\r\nX-Number: 1\r\n\r\n" + one + b"\r\n" for one in wanted) + MARK + b"--"
    )
    assert read(body + b"\r\nepilogue", cuts) == [({"x-number": "1"}, one) for one in wanted]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_anything_at_all_is_parts_or_malformed(body: bytes, cuts: list[int]) -> None:
    try:
        read(body, cuts)
    except Malformed as why:
        assert str(why)


@given(
    st.lists(st.sampled_from([MARK, b"\r\n", b"--", b"X: y", b"x", b" ", b"\r\n\r\n"]), max_size=30),
    st.integers(0, 300),
)
def test_where_it_is_cut_changes_nothing(pieces: list[bytes], cut: int) -> None:
    def outcome(cuts: list[int]) -> Parts | str:
        try:
            return read(b"".join(pieces), cuts)
        except Malformed:
            return "malformed"

    assert outcome([cut]) == outcome([])
    assert outcome(list(range(300))) == outcome([])


def test_headers_are_read_and_a_part_may_have_none() -> None:
    body = (
        MARK
        + b"\r\nContent-Type:  application/dicom ;x=\xe4\r\nB:\r\n\r\none\r\n"
        + MARK
        + b"\r\n\r\ntwo\r\n"
        + MARK
        + b"--"
    )
    assert read(body, []) == [({"content-type": "application/dicom ;x=ä", "b": ""}, b"one"), ({}, b"two")]


def test_a_part_may_be_headers_alone() -> None:
    body = (
        MARK + b"\r\nX: y\r\n" + MARK + b"\r\n" + MARK + b"\r\n\r\n" + MARK + b"\r\n\r\n\r\n" + MARK + b"--"
    )
    assert read(body, []) == [({"x": "y"}, b""), ({}, b""), ({}, b""), ({}, b"")]


def test_a_nested_multipart_is_content() -> None:
    inner = b"--inner\r\n\r\nx\r\n--inner--"
    assert read(MARK + b"\r\n\r\n" + inner + b"\r\n" + MARK + b"--", []) == [({}, inner)]


@pytest.mark.parametrize(
    "body", [b"x" * LONGEST_PREAMBLE * 2, MARK + b"\r\n" + b"X: y\r\n" * LONGEST_HEADERS]
)
def test_what_has_no_end_is_given_up(body: bytes) -> None:
    parser = Multipart("b0undary")
    with pytest.raises(Malformed):
        for begin in range(0, len(body), 1000):
            list(parser.feed(body[begin : begin + 1000]))


def test_it_holds_back_no_more_than_a_boundary() -> None:
    parser = Multipart("b0undary")
    list(parser.feed(MARK + b"\r\n\r\n"))
    noise = random.Random(1)
    for _ in range(100):
        passed = sum(len(one.view) for one in parser.feed(noise.randbytes(10_000)) if isinstance(one, Piece))
        assert passed > 9_900
        assert len(parser._rest) < 20
