"""Promise 6: what goes in can come out again, byte for byte."""

import base64
import filecmp
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deid import (
    KEEP_ALL,
    Clean,
    Engine,
    HeldError,
    Part10,
    Unreadable,
    WrongSeal,
    deidentify,
    deidentify_file,
    load_recipe,
    make_meta,
    restore,
    restore_file,
)
from proxy.deid.seal import _HEAD
from tests.deid.build import BIG_ENDIAN, CT, EXPLICIT, IMPLICIT, ct, encoded, item
from tests.deid.corpus import SUBJECT, paths, real_files

DEFLATED = "1.2.840.10008.1.2.1.99"
RECIPES = {"keep-all": KEEP_ALL, "basic": load_recipe("basic"), "research": load_recipe("research")}
# Files that their own names call broken, and two whose data sets end early
BROKEN = {
    "rtplan_truncated.dcm",
    "MR_truncated.dcm",
    "DICOMDIR-nooffset",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
}


def run(parts: Part10, engine: Engine) -> tuple[bytes, Clean]:
    clean = deidentify(parts.dataset, parts.syntax, engine, lambda facts: SUBJECT)
    return b"".join(clean.rest), clean


def inflated(data: bytes, syntax: str) -> bytes:
    return zlib.decompressobj(-15).decompress(data) if syntax == DEFLATED else data


def test_keeping_everything_is_the_identity_on_every_real_file() -> None:
    engine, count = Engine(KEEP_ALL), 0
    for name, parts in real_files():
        try:
            out, _ = run(parts, engine)
        except Unreadable:
            continue
        assert inflated(out, parts.syntax) == inflated(bytes(parts.dataset), parts.syntax), name
        count += 1
    assert count > 100


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_real_file_comes_back_byte_for_byte(recipe: str) -> None:
    engine, refused = Engine(RECIPES[recipe]), set()
    for name, parts in real_files():
        try:
            out, clean = run(parts, engine)
        except Unreadable:
            refused.add(name)
            continue
        back = restore(out, parts.syntax, clean.seal)
        assert inflated(back, parts.syntax) == inflated(bytes(parts.dataset), parts.syntax), name
    assert {name for name in refused if "corpus" not in name} >= BROKEN


@pytest.mark.parametrize("size", [1, 7, 1000, 16384])
def test_pieces_of_any_size_give_the_same_result(size: int) -> None:
    engine = Engine(RECIPES["basic"])
    for name, parts in real_files():
        data = bytes(parts.dataset)
        if len(data) > 200_000 or (size < 1000 and len(data) > 12_000):
            continue
        try:
            whole, one = run(parts, engine)
        except Unreadable:
            continue
        out, clean = in_pieces(data, parts.syntax, engine, size)
        assert inflated(out, parts.syntax) == inflated(whole, parts.syntax), name
        assert (clean.header_digest, clean.bulk_digest) == (one.header_digest, one.bulk_digest), name


def in_pieces(data: bytes, syntax: str, engine: Engine, size: int) -> tuple[bytes, Clean]:
    work = engine.begin(syntax)
    out: list[bytes | memoryview] = []
    settled = False
    for start in range(0, len(data), size):
        work.feed(data[start : start + size])
        if work.facts is not None and not settled:
            work.settle(SUBJECT)
            settled = True
        if settled:
            out += work.take()
    work.end()
    if not settled:
        work.settle(SUBJECT)
    clean = work.finish()
    return b"".join([*out, *clean.rest]), clean


def test_a_seal_opens_only_its_own_object() -> None:
    engine = Engine(RECIPES["basic"])
    first = deidentify(encoded(ct()), EXPLICIT, engine, lambda facts: SUBJECT)
    ds = ct()
    ds.SOPInstanceUID = "1.2.3.4.5.2"
    second = b"".join(deidentify(encoded(ds), EXPLICIT, engine, lambda facts: SUBJECT).rest)
    for wrong in (second, second[:-2], b""):
        with pytest.raises(WrongSeal):
            restore(wrong, EXPLICIT, first.seal)
    for broken in (b"", b"\x07abc", first.seal[:-9], first.seal[:20]):
        with pytest.raises(WrongSeal):
            restore(b"".join(first.rest), EXPLICIT, broken)


def altered(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_altered_pixels_are_noticed(syntax: str) -> None:
    clean = deidentify(encoded(ct(), syntax), syntax, Engine(RECIPES["basic"]), lambda facts: SUBJECT)
    out = b"".join(clean.rest)
    assert restore(out, syntax, clean.seal) == encoded(ct(), syntax)
    with pytest.raises(WrongSeal):
        restore(altered(out, len(out) - 3), syntax, clean.seal)


def test_a_seal_of_the_first_version_still_opens() -> None:
    text = (Path(__file__).parent / "data" / "seal_version_1.txt").read_text()
    out, seal = (base64.b64decode(part) for part in text.split("\n\n"))
    ds = ct()
    ds.RequestAttributesSequence = item(ScheduledProcedureStepID="SPS9")
    assert restore(out, EXPLICIT, seal) == encoded(ds)


@pytest.mark.parametrize("recipe", ["basic", "research"])
def test_promise_6_every_real_file_comes_back_as_a_file(recipe: str, tmp_path: Path) -> None:
    """Preamble, File Meta and deflated streams, too."""
    gates = {
        **RECIPES[recipe].gates,
        "burned-in": "accept",
        "documents": "accept",
        "structured-reports": "clean",
    }
    engine, count = Engine(replace(RECIPES[recipe], gates=gates)), 0
    for path in paths():
        clean, back = tmp_path / "clean.dcm", tmp_path / "back.dcm"
        try:
            done = deidentify_file(path, clean, engine, lambda facts: SUBJECT)
        except (Unreadable, HeldError):
            continue
        assert done.meta[:132] == b"\0" * 128 + b"DICM"
        restore_file(clean, back, done.seal)
        assert back.read_bytes() == path.read_bytes(), path.name
        clean.unlink()
        back.unlink()
        count += 1
    assert count > 100


@pytest.mark.parametrize("level", [1, 6, 9])
def test_a_deflated_stream_comes_back_where_zlib_can_make_it(level: int) -> None:
    packer = zlib.compressobj(level, wbits=-15)
    data = packer.compress(encoded(ct())) + packer.flush()
    data += b"\0" * (len(data) % 2)
    clean = deidentify(data, DEFLATED, Engine(RECIPES["basic"]), lambda facts: SUBJECT)
    assert restore(b"".join(clean.rest), DEFLATED, clean.seal) == data


def test_a_large_file_comes_back_without_being_in_memory(tmp_path: Path) -> None:
    ds = ct()
    del ds.PixelData
    source, clean, back = (tmp_path / name for name in ("in.dcm", "clean.dcm", "back.dcm"))
    size = 64 << 20
    with source.open("wb") as file:
        file.write(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ds))
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little"))
        file.truncate(file.tell() + size)
    seal = deidentify_file(source, clean, Engine(RECIPES["basic"]), lambda facts: SUBJECT).seal
    tracemalloc.start()
    try:
        restore_file(clean, back, seal)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    assert filecmp.cmp(source, back, shallow=False)


def test_an_altered_file_leaves_nothing_behind(tmp_path: Path) -> None:
    source, clean, back = (tmp_path / name for name in ("in.dcm", "clean.dcm", "back.dcm"))
    source.write_bytes(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ct()))
    seal = deidentify_file(source, clean, Engine(RECIPES["basic"]), lambda facts: SUBJECT).seal
    clean.write_bytes(altered(clean.read_bytes(), clean.stat().st_size - 1))
    with pytest.raises(WrongSeal):
        restore_file(clean, back, seal)
    assert {path.name for path in tmp_path.iterdir()} == {"in.dcm", "clean.dcm"}


def test_an_image_of_the_wire_becomes_a_file_with_a_new_head(tmp_path: Path) -> None:
    clean = deidentify(encoded(ct()), EXPLICIT, Engine(RECIPES["basic"]), lambda facts: SUBJECT)
    source, back = tmp_path / "clean.dcm", tmp_path / "back.dcm"
    source.write_bytes(clean.meta + b"".join(clean.rest))
    restore_file(source, back, clean.seal)
    assert back.read_bytes() == make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ct())


@cache
def one_clean() -> Clean:
    """Always the same, because a seal has a key of its own."""
    return deidentify(encoded(ct()), EXPLICIT, Engine(RECIPES["basic"]), lambda facts: SUBJECT)


@given(st.data())
def test_a_hostile_seal_is_only_a_wrong_one(data: st.DataObject) -> None:
    clean = one_clean()
    unpacked = zlib.decompressobj(-15).decompress(clean.seal[9:])
    inside = data.draw(st.booleans())
    hostile = bytearray(unpacked if inside else clean.seal)
    for _ in range(data.draw(st.integers(1, 4))):
        hostile[data.draw(st.integers(0, len(hostile) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(hostile[: data.draw(st.integers(1, len(hostile)))])
    if inside:
        packer = zlib.compressobj(1, wbits=-15)
        cut = clean.seal[:1] + len(cut).to_bytes(8, "little") + packer.compress(cut) + packer.flush()
    with suppress(WrongSeal):
        restore(b"".join(clean.rest), EXPLICIT, cut)


def packed(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(9, wbits=window)
    return packer.compress(body) + packer.flush()


def deep(steps: int) -> bytes:
    """A seal of the second version whose paths lie in each other."""
    table = b"".join(
        (0x00081140).to_bytes(4, "little") + bytes(4) + n.to_bytes(4, "little") for n in range(steps)
    )
    head = _HEAD.pack(0, 0, 0, 0, 0, bytes(16), bytes(32), len(table), 0, 1)
    body = head + table
    return b"\x02" + len(body).to_bytes(8, "little") + packed(body, -15)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x01" + packed(bytes(300 << 20), 15),
        b"\x02" + (1 << 20).to_bytes(8, "little") + packed(bytes(300 << 20), -15),
        deep(16_000),
    ],
    ids=["bomb of version 1", "bomb of version 2", "deep paths"],
)
def test_a_hostile_seal_takes_no_more_memory_than_it_may(hostile: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WrongSeal):
            restore(encoded(ct()), EXPLICIT, hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600 << 20


def test_a_deflated_data_set_that_was_cut_off_is_not_taken_for_whole() -> None:
    data = packed(encoded(ct()), -15)
    clean = deidentify(data, DEFLATED, Engine(RECIPES["basic"]), lambda facts: SUBJECT)
    with pytest.raises((Unreadable, WrongSeal)):
        restore(b"".join(clean.rest)[:-20], DEFLATED, clean.seal)
