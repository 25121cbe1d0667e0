"""Results by many makers: what is not turned back stays as it came, and what is broken is refused, whatever it is."""

import random
from collections import Counter

import pytest

from proxy.deid import DeidError, Limits, Part10
from proxy.deid.homeward import Level, Originals, Unfit, mentions, parts_of, restored
from proxy.deid.homeward.lookup import OUR_MARKS, SIGNATURES
from proxy.deid.homeward.mentions import scanned, top_level
from proxy.deid.identifiers import map_uid
from tests.deid import mutants
from tests.deid.corpus import SUBJECT, real_files

LIMITS = Limits(inflated=64 << 20)
FILES = real_files()
DEFLATED = "1.2.840.10008.1.2.1.99"


def back(data: bytes, syntax: str, originals: Originals, study: str = "") -> bytes:
    parts = parts_of(data, syntax, LIMITS)
    return restored(parts, originals, Level({}, parts.explicit, b"", False), study or mentions(parts).study)


def stays(data: bytes, syntax: str) -> bool:
    """Whether nothing is in it that is removed from every result, and its study UID calls itself one (not UN)."""
    parts = parts_of(data, syntax, LIMITS)
    scans = [scanned(part, parts.explicit) for part in (parts.header, parts.trailer)]
    tags = {token[0].tag for scan in scans for token in scan.tokens}
    tops = {token[0].tag for token in top_level(scans[0]) if token[0].vr == "UI"}
    lengths = any(tag & 0xFFFF == 0 for tag in tags)
    return 0x0020000D in tops and not lengths and not tags & (OUR_MARKS | SIGNATURES)


def readable() -> list[tuple[str, bytes, str]]:
    found = []
    for name, file in FILES:
        try:
            if file.syntax != DEFLATED and stays(bytes(file.dataset), file.syntax):
                found.append((name, bytes(file.dataset), file.syntax))
        except DeidError:
            continue
    return found


def test_what_refers_to_nothing_of_ours_stays_byte_for_byte() -> None:
    files = readable()
    assert len(files) > 60
    changed = []
    for name, data, syntax in files:
        if back(data, syntax, Originals()) != data:
            changed.append(name)
    assert not changed


def test_every_uid_there_and_back_again_is_the_same_file() -> None:
    """First all UIDs become ours, as if the outside had copied them, then they are turned back."""
    for name, data, syntax in readable():
        said = mentions(parts_of(data, syntax, LIMITS))
        there = {uid.encode(): map_uid(SUBJECT.uid_key, uid).encode() for uid in said.uids}
        ours = back(data, syntax, Originals(uids=there), there.get(said.study.encode(), b"").decode())
        home = Originals(uids={other: uid for uid, other in there.items()})
        again = back(ours, syntax, home, said.study)
        assert mentions(parts_of(again, syntax, LIMITS)) == said, name


@pytest.mark.parametrize("seed", range(4))
def test_mutants_are_refused_or_read(seed: int) -> None:
    """Nothing else: no surprise of ours, and no endless work."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    files: list[Part10] = [file for _, file in FILES if len(file.dataset) < mutants.LARGEST_SEED]
    for _ in range(100):
        file = chance.choice(files)
        data = bytearray(file.dataset)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randint(1, 40)]
            else:
                data[at:at] = chance.randbytes(chance.randint(1, 40))
        try:
            back(bytes(data), file.syntax, Originals(), "1.2.3")
            outcomes["read"] += 1
        except (DeidError, Unfit) as trouble:
            outcomes[type(trouble).__name__] += 1
    assert 0 < outcomes["read"] < 100
    assert outcomes["EngineFault"] == 0, outcomes
