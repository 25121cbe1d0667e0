"""A digest in a thread of its own is the digest, whatever comes when."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deid import Engine, deidentify_file, load_recipe, make_meta, restore_file
from proxy.deid.beside import Beside
from tests.deid.build import CT, EXPLICIT, ct, encoded
from tests.deid.corpus import SUBJECT


@given(st.lists(st.tuples(st.integers(0, 200_000), st.booleans()), max_size=8))
def test_it_is_the_digest_of_all_that_came(pieces: list[tuple[int, bool]]) -> None:
    """Two buffers in turn, some of whose turns bring nothing to digest."""
    buffers, expected = [bytearray(200_000), bytearray(200_000)], hashlib.sha256()
    with Beside() as beside:
        for number, (size, given_on) in enumerate(pieces):
            view = memoryview(buffers[number % 2])[:size]
            view[:] = bytes((number + 1,)) * size
            if given_on:
                beside.update(view)
                expected.update(bytes((number + 1,)) * size)
            beside.turn()
        assert beside.digest() == expected.digest()


@pytest.mark.parametrize("trailer", [0, 5 << 20])
def test_a_large_file_with_much_behind_its_pixels_comes_back(tmp_path: Path, trailer: int) -> None:
    ds = ct()
    del ds.PixelData
    pixels = bytes(range(256)) * (9 << 12)
    behind = b"\xe0\x7f\x20\x00UT\0\0" + trailer.to_bytes(4, "little") + b"a" * trailer if trailer else b""
    source, clean, back = (tmp_path / name for name in ("in.dcm", "clean.dcm", "back.dcm"))
    head = b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little")
    source.write_bytes(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ds) + head + pixels + behind)
    done = deidentify_file(source, clean, Engine(load_recipe("basic")), lambda facts: SUBJECT)
    assert done.bulk_digest == hashlib.sha256(pixels).digest()
    restore_file(clean, back, done.seal)
    assert back.read_bytes() == source.read_bytes()
