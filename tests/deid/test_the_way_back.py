"""Promise 6: what goes in can come out again, byte for byte."""

import zlib

import pytest

from proxy.deid import (
    KEEP_ALL,
    Clean,
    Engine,
    Part10,
    Unreadable,
    WrongSeal,
    deidentify,
    load_recipe,
    restore,
)
from tests.deid.build import EXPLICIT, ct, encoded
from tests.deid.corpus import SUBJECT, real_files

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
