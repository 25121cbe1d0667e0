"""Fail closed: whatever a sender sends, it is refused with a reason or it comes out clean; never anything else."""

import random
import time
import zlib

import pytest

from proxy.deid import DeidError, Engine, Limits, TooLarge, Unreadable, deidentify, load_recipe, restore
from tests.deid.build import EXPLICIT, IMPLICIT, SUBJECT, ct, encoded
from tests.deid.corpus import real_files

ENGINE = Engine(load_recipe("basic"))
DEFLATED = "1.2.840.10008.1.2.1.99"
SEEDS = [(name, parts) for name, parts in real_files() if len(parts.dataset) < 40_000]


def through(data: bytes, syntax: str) -> bytes | None:
    """Clean bytes, or None if it was refused with a reason."""
    try:
        clean = deidentify(data, syntax, ENGINE, lambda facts: SUBJECT)
    except DeidError as refusal:
        assert str(refusal)
        return None
    out = b"".join(clean.rest)
    if syntax != DEFLATED:
        assert restore(out, syntax, clean.seal) == data
    return out


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Bits flipped, lengths blown up, pieces cut out, doubled or cut off."""
    copy = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at, kind = dice.randrange(len(copy)), dice.randrange(5)
        if kind == 0:
            copy[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            copy[at : at + 4] = dice.choice(
                (b"\xff\xff\xff\xff", b"\xfe\xff\xff\x7f", b"\0\0\0\0", b"SQ\0\0")
            )
        elif kind == 2:
            del copy[at : at + dice.randint(1, 40)]
        elif kind == 3:
            copy[at:at] = copy[at : at + dice.randint(1, 60)]
        else:
            copy[at : at + 8] = dice.choice(
                (b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0")
            )
        if not copy:
            break
    return bytes(copy)


def test_five_hundred_mutants_are_refused_or_clean() -> None:
    dice = random.Random(4711)
    refused = 0
    for _ in range(500):
        _, parts = dice.choice(SEEDS)
        refused += through(mutated(bytes(parts.dataset), dice), parts.syntax) is None
    assert 50 < refused < 500


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2", DEFLATED])
def test_random_bytes_are_refused(syntax: str) -> None:
    dice = random.Random(7)
    for size in (1, 3, 8, 100, 5000):
        assert through(dice.randbytes(size), syntax) is None


def test_deep_nesting_is_refused() -> None:
    level = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(TooLarge):
        deidentify(level * 1000, EXPLICIT, ENGINE, lambda facts: SUBJECT)


def test_a_deflate_bomb_is_refused() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(8_000_000)) + packer.flush()
    engine = Engine(load_recipe("basic"), Limits(inflated=1_000_000))
    with pytest.raises(Unreadable):
        deidentify(bomb, DEFLATED, engine, lambda facts: SUBJECT)


def test_a_header_beyond_the_limit_is_refused() -> None:
    ds = ct()
    ds.add_new(0x00204000, "LT", "x" * 5000)
    engine = Engine(load_recipe("basic"), Limits(header=4096))
    with pytest.raises(TooLarge):
        deidentify(encoded(ds), EXPLICIT, engine, lambda facts: SUBJECT)


def test_every_cut_off_data_set_is_refused_or_whole() -> None:
    data = encoded(ct())
    for size in range(0, len(data) - 32, 7):
        through(data[:size], EXPLICIT)
    with pytest.raises(Unreadable):
        deidentify(data[:-1], EXPLICIT, ENGINE, lambda facts: SUBJECT)


def test_messages_carry_no_values() -> None:
    data = encoded(ct())
    for size in range(8, len(data), 11):
        try:
            deidentify(data[:size], EXPLICIT, ENGINE, lambda facts: SUBJECT)
        except DeidError as refusal:
            assert "Example" not in str(refusal) and "4711" not in str(refusal)


@pytest.mark.parametrize(
    "text", ["a" * 400_000, "A-" * 200_000, "1 a" * 130_000, "a@" * 200_000, "1" * 400_000 + "x"]
)
def test_no_text_makes_the_hunt_slow(text: str) -> None:
    ds = ct()
    ds.add_new(0x00081030, "UT", text)
    ds.add_new(0x00204000, "UT", text + " Example")
    started = time.process_time()
    through(encoded(ds), EXPLICIT)
    deidentify(encoded(ds), EXPLICIT, Engine(load_recipe("research")), lambda facts: SUBJECT)
    assert time.process_time() - started < 5


def test_cost_grows_with_the_number_of_elements_and_no_faster() -> None:
    def seconds(count: int) -> float:
        raw = b"".join(
            b"\x20\x00" + (0x6000 + n % 0x1000).to_bytes(2, "little") + b"LO\x04\x00abcd"
            for n in range(count)
        )
        started = time.process_time()
        deidentify(raw, EXPLICIT, ENGINE, lambda facts: SUBJECT)
        return time.process_time() - started

    small, large = (min(seconds(count) for _ in range(3)) for count in (25_000, 100_000))
    assert large < 4 * 4 * max(small, 0.02)


def test_more_people_than_can_be_hunted_are_held() -> None:
    ds = ct()
    ds.OtherPatientNames = [f"Person{n}^Some" for n in range(400)]
    clean = deidentify(encoded(ds), EXPLICIT, ENGINE, lambda facts: SUBJECT)
    assert [hold.code for hold in clean.holds] == ["residual"]
