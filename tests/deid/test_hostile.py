"""Fail closed: whatever a sender sends, it is refused with a reason or it comes out clean; never anything else."""

import random
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest

from proxy.deid import DeidError, Engine, Limits, TooLarge, Unreadable, deidentify, load_recipe, restore
from tests.deid.build import EXPLICIT, IMPLICIT, SUBJECT, ct, encoded
from tests.deid.mutants import PATIENCE, fate, mutant, patience, seeds

ENGINE = Engine(load_recipe("basic"))
DEFLATED = "1.2.840.10008.1.2.1.99"


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


def test_promise_1_five_hundred_mutants_are_refused_or_clean() -> None:
    """In ten thousand: `make stress`."""
    dice, some = random.Random(4711), seeds()
    fates: Counter[str] = Counter()
    for _ in range(500):
        with patience(PATIENCE):
            fates[fate(mutant(some, dice))] += 1
    assert fates.keys() <= {"refused", "held", "clean"}
    assert fates["clean"] > 50 < fates["refused"]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2", DEFLATED])
def test_random_bytes_are_refused(syntax: str) -> None:
    dice = random.Random(7)
    for size in (1, 3, 8, 100, 5000):
        assert through(dice.randbytes(size), syntax) is None


def test_deep_nesting_is_refused() -> None:
    level = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(TooLarge):
        deidentify(level * 1000, EXPLICIT, ENGINE, lambda facts: SUBJECT)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_sender_of_more_attributes_than_are_remembered_stops_nobody(
    syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, an attribute that was dropped and could not be remembered was looked at for ever."""
    monkeypatch.setattr("proxy.deid.plan.MEMORY", 50)
    monkeypatch.setattr("proxy.deid.context.MEMORY", 50)
    engine = Engine(load_recipe("basic"))
    other = ct()
    for number in range(8):
        other.add_new(0x00091000 + number, "LO", "")
        other.add_new(0x00191000 + 16 * number, "LO", "alone")
    plain = encoded(other, syntax)
    expected = b"".join(deidentify(plain, syntax, ENGINE, lambda facts: SUBJECT).rest)

    many = ct()
    for number in range(200):
        many.add_new(0x00091100 + number, "LO", "x")
    for data in (encoded(many, syntax), plain, encoded(many, syntax), plain):
        with patience(PATIENCE):
            clean = deidentify(data, syntax, engine, lambda facts: SUBJECT)
    assert b"".join(clean.rest) == expected
    plan = engine.begin(syntax)._intake.scan.lookup
    assert len(plan.explicit) <= 50 and len(plan.implicit) <= 50


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


@pytest.mark.parametrize("make", [lambda n: dates(n), lambda n: items(n)])  # noqa: PLW0108 - they stand below
def test_more_elements_than_can_be_changed_are_refused_before_they_cost_memory(
    make: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs a hundred times its bytes."""
    data = make(300)
    assert through(data, EXPLICIT) is not None
    monkeypatch.setattr("proxy.deid.stream.MOST_TOKENS", 200)
    with pytest.raises(TooLarge):
        deidentify(data, EXPLICIT, ENGINE, lambda facts: SUBJECT)


def test_an_image_weighs_what_its_elements_do() -> None:
    def weight(count: int) -> int:
        work = ENGINE.begin(EXPLICIT)
        work.feed(dates(count))
        work.end()
        return work.weight

    assert weight(10_000) - weight(1_000) > 9_000 * 500


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


def flat(count: int) -> bytes:
    return b"".join(
        b"\x20\x00" + (0x6000 + n % 0x1000).to_bytes(2, "little") + b"LO\x04\x00abcd" for n in range(count)
    )


def dates(count: int) -> bytes:
    """None goes, and each changes."""
    return b"\x08\x00\x20\x00DA\x08\x0020200101" * count


def items(count: int) -> bytes:
    one = b"\xfe\xff\x00\xe0\x0c\0\0\0\x08\x00\x04\x01LO\x04\x00abcd"
    return b"\x08\x00\x32\x10SQ\0\0" + (len(one) * count).to_bytes(4, "little") + one * count


def fragments(count: int) -> bytes:
    one = b"\xfe\xff\x00\xe0\x02\0\0\0ab"
    return b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + one * count + b"\xfe\xff\xdd\xe0\0\0\0\0"


def text(count: int) -> bytes:
    return b"\x20\x00\x00\x40LT\x00\x00"[:4] + b"UT\0\0" + (count * 4).to_bytes(4, "little") + b"1-a " * count


@pytest.mark.parametrize("make", [flat, items, fragments, text])
def test_cost_grows_with_the_size_and_no_faster(make: Callable[[int], bytes]) -> None:
    def seconds(count: int) -> float:
        raw = make(count)
        started = time.process_time()
        deidentify(raw, EXPLICIT, ENGINE, lambda facts: SUBJECT)
        return time.process_time() - started

    small, large = (min(seconds(count) for _ in range(3)) for count in (10_000, 80_000))
    assert large < 5 * 8 * max(small, 0.01)  # a quadratic path would cost sixty-four times as much


def test_bytes_that_come_one_by_one_cost_no_more_looks() -> None:
    data = encoded(ct())[:-44] + flat(5_000)
    work = ENGINE.begin(EXPLICIT)
    started = time.process_time()
    for at in range(len(data)):
        work.feed(data[at : at + 1])
    with suppress(Unreadable):
        work.end()
    assert time.process_time() - started < 5


def test_more_people_than_can_be_hunted_are_held() -> None:
    ds = ct()
    ds.OtherPatientNames = [f"Person{n}^Some" for n in range(400)]
    clean = deidentify(encoded(ds), EXPLICIT, ENGINE, lambda facts: SUBJECT)
    assert [hold.code for hold in clean.holds] == ["residual"]


def test_promise_8_what_a_wrong_length_makes_of_a_name_is_quoted_nowhere() -> None:
    """The rest of the name is read as a tag, a VR, a length."""
    ds = ct()
    ds.PatientName = "Quince-Marmalade^Bertha"
    data, name = encoded(ds), b"Quince-Marmalade^Bertha "
    at = data.index(name)
    said = set()
    for length in range(0, len(name), 2):
        bad = data[: at - 2] + length.to_bytes(2, "little") + data[at:]
        with pytest.raises(DeidError) as trouble:
            deidentify(bad, EXPLICIT, Engine(load_recipe("basic")), lambda facts: SUBJECT)
        said.add(str(trouble.value).upper())
    assert said and not [one for one in said if "(" in one]  # no tag
    assert not [one for one in said if any(part in one for part in ("QUIN", "MARM", "BERT"))]
