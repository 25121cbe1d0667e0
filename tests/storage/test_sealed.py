"""Sealed files: what was written comes back, and what was touched does not."""

import io
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.storage.errors import SealBroken
from proxy.storage.files import stage
from proxy.storage.sealed import SealedWriter, open_sealed, read_sealed, unseal

SMALL = 16
HEADER = 22  # before the wrapped key
TAG = 16


def same(key: bytes) -> bytes:
    return key


def sealed(pieces: list[bytes], context: bytes = b"", chunk: int = SMALL) -> bytes:
    out: list[bytes] = []
    writer = SealedWriter(lambda buffers: out.extend(bytes(one) for one in buffers), same, context, chunk)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return b"".join(out)


def opened(data: bytes, context: bytes = b"") -> bytes:
    return b"".join(unseal(io.BytesIO(data), same, context))


@given(st.lists(st.binary(max_size=70), max_size=12), st.binary(max_size=20))
def test_what_was_sealed_comes_back_however_it_was_fed(pieces: list[bytes], context: bytes) -> None:
    assert opened(sealed(pieces, context), context) == b"".join(pieces)


@given(st.binary(max_size=100), st.data())
def test_promise_8_not_one_byte_can_be_changed(plain: bytes, data: st.DataObject) -> None:
    whole = bytearray(sealed([plain]))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealBroken):
        opened(bytes(whole))


@given(st.binary(max_size=100), st.data())
def test_not_one_byte_can_be_cut_off_or_added(plain: bytes, data: st.DataObject) -> None:
    whole = sealed([plain])
    with pytest.raises(SealBroken):
        opened(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(SealBroken):
        opened(whole + data.draw(st.binary(min_size=1, max_size=40)))


def chunks(whole: bytes) -> tuple[bytes, list[bytes]]:
    start, size = HEADER + 32, SMALL + TAG
    return whole[:start], [whole[at : at + size] for at in range(start, len(whole), size)]


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_whole_chunks_cannot_be_cut_off(kept: int) -> None:
    head, parts = chunks(sealed([bytes(64)]))
    assert len(parts) == 4
    with pytest.raises(SealBroken):
        opened(head + b"".join(parts[:kept]))


@pytest.mark.parametrize(
    "order", [(1, 0, 2, 3), (0, 2, 1, 3), (0, 0, 2, 3), (0, 1, 3), (0, 1, 2, 3, 3), (3,)]
)
def test_chunks_cannot_be_reordered_repeated_or_dropped(order: tuple[int, ...]) -> None:
    head, parts = chunks(sealed([bytes(64)]))
    with pytest.raises(SealBroken):
        opened(head + b"".join(parts[number] for number in order))


def test_chunks_of_another_file_do_not_fit() -> None:
    (head, one), (_, other) = chunks(sealed([bytes(64)])), chunks(sealed([bytes(64)]))
    with pytest.raises(SealBroken):
        opened(head + b"".join([one[0], other[1], *one[2:]]))


def test_a_file_in_anothers_place_does_not_open() -> None:
    with pytest.raises(SealBroken):
        opened(sealed([b"x"], b"seal 1"), b"seal 2")


def test_a_file_that_was_never_finished_does_not_open() -> None:
    out: list[bytes] = []
    writer = SealedWriter(lambda buffers: out.extend(bytes(one) for one in buffers), same, chunk=SMALL)
    writer.write(bytes(64))
    with pytest.raises(SealBroken):
        opened(b"".join(out))


def test_the_reader_of_a_broken_file_learns_it_at_the_end_at_the_latest() -> None:
    whole = sealed([bytes(64)])
    pieces = unseal(io.BytesIO(whole[:-1]), same)
    with pytest.raises(SealBroken):
        list(pieces)


def test_large_files_pass_in_pieces(tmp_path: Path) -> None:
    plain = secrets.token_bytes(1_000_003)
    staged = stage(tmp_path, "large")
    writer = SealedWriter(staged.write, same)
    for at in range(0, len(plain), 7777):
        writer.write(memoryview(plain)[at : at + 7777])
    writer.finish()
    path = staged.commit()
    assert max(len(piece) for piece in open_sealed(path, same)) == 65_536
    assert read_sealed(path, same) == plain


def test_promise_8_nothing_of_the_plain_text_lies_in_the_file() -> None:
    assert b"Example^Ada" not in sealed([b"Example^Ada" * 20], chunk=1000)


def test_equal_plain_texts_look_different() -> None:
    assert sealed([b"x"])[HEADER + 32 :] != sealed([b"x"])[HEADER + 32 :]


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_data_key_of_another_length_is_none(length: int) -> None:
    with pytest.raises(SealBroken):
        list(unseal(io.BytesIO(sealed([b"x"])), lambda wrapped: bytes(length)))
