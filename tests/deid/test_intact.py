"""Nothing of an original is made of a clean object that is not, byte for byte, the one that was sealed (promise 6)."""

import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from proxy.deid import (
    KEEP_ALL,
    Clean,
    Engine,
    WrongSeal,
    deidentify,
    intact,
    load_recipe,
    make_meta,
    restore,
    restore_file,
    restored_pieces,
    seal,
)
from proxy.deid.restore import leads_back, original_at_once
from tests.deid.build import BIG_ENDIAN, CT, EXPLICIT, IMPLICIT, SUBJECT, ct, encoded

DEFLATED = "1.2.840.10008.1.2.1.99"
ENGINE = Engine(load_recipe("basic"))


def image(pixels: bytes = bytes(range(32)), uid: str = "1.2.3.4.5.1", syntax: str = EXPLICIT) -> bytes:
    """With something behind its pixel data."""
    ds = ct()
    ds.PixelData, ds.SOPInstanceUID = pixels, uid
    ds.DataSetTrailingPadding = bytes(8)
    return encoded(ds, syntax)


def made(data: bytes, syntax: str = EXPLICIT, engine: Engine = ENGINE) -> tuple[bytes, Clean]:
    clean = deidentify(data, syntax, engine, lambda facts: SUBJECT)
    return b"".join(clean.rest), clean


def altered(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def every_way_back(data: bytes, sealed: bytes, folder: Path) -> None:
    """Each has to refuse."""
    source, target = folder / "clean.dcm", folder / "back.dcm"
    source.write_bytes(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + data)
    with pytest.raises(WrongSeal):
        restore(data, EXPLICIT, sealed)
    with pytest.raises(WrongSeal):
        b"".join(restored_pieces(BytesIO(data), EXPLICIT, sealed))
    with pytest.raises(WrongSeal):
        original_at_once(memoryview(data), EXPLICIT, seal.read(sealed))
    with pytest.raises(WrongSeal):
        restore_file(source, target, sealed)
    assert not target.exists()


def test_every_byte_of_the_clean_object_is_guarded(tmp_path: Path) -> None:
    out, clean = made(image(), engine=Engine(KEEP_ALL))
    opened = seal.read(clean.seal)
    assert len(out) > opened.bulk.stop  # the padding stands behind
    for at in (
        0,
        opened.header - 1,
        opened.header,  # the tag of the pixel data
        opened.bulk.start - 1,  # their length
        opened.bulk.start,
        opened.bulk.stop - 1,
        opened.bulk.stop,
        len(out) - 1,
    ):
        every_way_back(altered(out, at), clean.seal, tmp_path)
    for other in (out[:-2], out + b"\0\0", out[: opened.header], b""):
        every_way_back(other, clean.seal, tmp_path)


def test_pixels_of_another_image_of_the_same_size_are_noticed(tmp_path: Path) -> None:
    out, clean = made(image())
    other, _ = made(image(bytes(range(1, 33)), "1.2.3.4.5.2"))
    opened = seal.read(clean.seal)
    swapped = out[: opened.header] + other[-(len(out) - opened.header) :]
    assert len(swapped) == len(out) and swapped != out
    every_way_back(swapped, clean.seal, tmp_path)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_what_was_not_changed_comes_back(syntax: str) -> None:
    data = image(syntax=EXPLICIT if syntax == DEFLATED else syntax)
    if syntax == DEFLATED:
        data = deflated(data)
    out, clean = made(data, syntax)
    assert restore(out, syntax, clean.seal) == data
    assert b"".join(restored_pieces(BytesIO(out), syntax, clean.seal)) == data
    assert b"".join(original_at_once(memoryview(out), syntax, seal.read(clean.seal))) == data


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_a_key_is_drawn_for_every_seal() -> None:
    keys = {seal.read(made(image())[1].seal).extras[seal.MAC][: intact.KEY] for _ in range(3)}
    assert len(keys) == 3


def test_only_little_endian_objects_have_a_mac() -> None:
    """The seals of those in big endian are made as if they were in little endian."""
    assert seal.MAC in seal.read(made(image())[1].seal).extras
    assert seal.MAC not in seal.read(made(image(syntax=BIG_ENDIAN), BIG_ENDIAN)[1].seal).extras


def test_an_object_without_pixels_is_guarded_too(tmp_path: Path) -> None:
    ds = ct()
    del ds.PixelData
    out, clean = made(encoded(ds))
    assert restore(out, EXPLICIT, clean.seal) == encoded(ds)
    every_way_back(altered(out, len(out) // 2), clean.seal, tmp_path)


@pytest.mark.parametrize("at_sealing", [True, False])
@pytest.mark.parametrize("at_restoring", [True, False])
def test_without_the_library_sha_256_guards_the_pixels(
    at_sealing: bool, at_restoring: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intact, "AVAILABLE", at_sealing)
    out, clean = made(image())
    assert (seal.MAC in seal.read(clean.seal).extras) is at_sealing
    monkeypatch.setattr(intact, "AVAILABLE", at_restoring)
    assert restore(out, EXPLICIT, clean.seal) == image()
    assert b"".join(restored_pieces(BytesIO(out), EXPLICIT, clean.seal)) == image()
    wrong = altered(out, seal.read(clean.seal).bulk.start)
    with pytest.raises(WrongSeal):
        restore(wrong, EXPLICIT, clean.seal)
    with pytest.raises(WrongSeal):
        b"".join(restored_pieces(BytesIO(wrong), EXPLICIT, clean.seal))


@pytest.mark.parametrize("mac", [b"", b"short", bytes(intact.SIZE - 1), bytes(intact.SIZE + 1)])
def test_a_mac_of_another_length_is_none(mac: bytes) -> None:
    out, clean = made(image())
    opened = seal.read(clean.seal)
    odd = replace(opened, extras={**opened.extras, seal.MAC: mac})
    assert b"".join(original_at_once(memoryview(out), EXPLICIT, odd)) == image()
    with pytest.raises(WrongSeal):
        original_at_once(memoryview(altered(out, opened.bulk.start)), EXPLICIT, odd)


def test_a_wrong_mac_is_not_made_good_by_the_digest() -> None:
    out, clean = made(image())
    opened = seal.read(clean.seal)
    odd = replace(opened, extras={**opened.extras, seal.MAC: bytes(intact.SIZE)})
    with pytest.raises(WrongSeal):
        original_at_once(memoryview(out), EXPLICIT, odd)


def test_the_mac_does_not_depend_on_how_the_image_came() -> None:
    data = image()
    for size in (1, 7, 1000):
        work = ENGINE.begin(EXPLICIT)
        for at in range(0, len(data), size):
            work.feed(data[at : at + size])
        work.end()
        work.settle(SUBJECT)
        clean = work.finish()
        assert restore(b"".join(clean.rest), EXPLICIT, clean.seal) == data


def test_two_seals_of_one_object_say_the_same_and_each_leads_back(tmp_path: Path) -> None:
    data, first = made(image())
    again, second = made(image())
    assert data == again and first.seal != second.seal and seal.alike(first.seal, second.seal)
    source = tmp_path / "clean.dcm"
    source.write_bytes(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + data)
    assert leads_back(source, first.seal) and leads_back(source, second.seal)
    source.write_bytes(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + altered(data, len(data) - 1))
    assert not leads_back(source, first.seal)


def test_seals_of_two_objects_do_not_say_the_same() -> None:
    _, first = made(image())
    for other in (image(uid="1.2.3.4.5.2"), image(pixels=bytes(32)), image()[:-20]):
        _, second = made(other)
        assert not seal.alike(first.seal, second.seal)
