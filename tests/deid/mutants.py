"""Broken files, made from real ones with somebody planted in them; and what the engine makes of each.

The suite runs five hundred of them, `make stress` ten thousand (`SEED=n COUNT=n` repeat or widen a run).
"""

import os
import random
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

from pydicom import dcmread

from proxy.deid import Clean, DeidError, Engine, Limits, deidentify, load_recipe, restore, split
from proxy.deid.recipe import KEEP_ALL
from tests.deid import corpus
from tests.deid.corpus import SUBJECT

DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT = "1.2.840.10008.1.2.1"
NAME = "Zebrowskij^Quillon"
NEEDLES = (b"Zebrowskij", b"Quillon", b"ZEBROWSKIJ", b"QUILLON")
LARGEST_SEED = 40_000
PATIENCE = 10  # seconds of CPU for one file
OPEN = {"burned-in": "accept", "documents": "accept", "structured-reports": "clean"}
ENGINE = Engine(
    replace(load_recipe("basic"), gates={**load_recipe("basic").gates, **OPEN}), Limits(inflated=64 << 20)
)
_LEVEL = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
_VRS = (b"OB", b"UN", b"SQ", b"UT", b"PN", b"XX", b"\0\0", b"FD", b"LO")
_CHARSETS = (b"ISO_IR 192", b"ISO 2022 IR 87", b"GB18030   ", b"nonsense  ", b"\\ISO 2022 IR 149")


class Mutant(NamedTuple):
    data: bytes
    syntax: str


def seeds() -> list[Mutant]:
    """Real files with somebody in their names, small enough that thousands go through."""
    found = []
    for path in corpus.paths():
        if path.stat().st_size > LARGEST_SEED:
            continue
        try:
            ds = dcmread(path)
            ds.PatientName = ds.OtherPatientNames = ds.ReferringPhysicianName = NAME
            ds.StudyDescription, ds.ImageComments = "of Zebrowskij", "seen by Quillon"
            out = BytesIO()
            ds.save_as(out)
            parts = split(out.getvalue())
        except Exception:  # pydicom cannot read it, or not write what it read
            continue
        found.append(Mutant(bytes(parts.dataset), parts.syntax))
    return found


def mutant(some: list[Mutant], dice: random.Random) -> Mutant:
    data, syntax = dice.choice(some)
    kind = dice.randrange(12)
    if kind == 0:
        return Mutant(_spliced(data, dice.choice(some).data, dice), syntax)
    if kind == 1:
        return Mutant(data[: dice.randrange(len(data))], syntax)
    if kind == 2:
        return Mutant(_nested(data, dice.choice((3, 63, 65, 1000))), EXPLICIT)
    if kind == 3:
        return Mutant(_deflated(data, dice), DEFLATED)
    if kind == 4:
        return Mutant(dice.randbytes(dice.randint(1, 4000)), syntax)
    return Mutant(mutated(data, dice), syntax)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Bits flipped, lengths blown up, VRs and character sets that lie, pieces cut out, doubled or cut off."""
    copy = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        if copy:
            _wound(copy, dice)
    return bytes(copy)


def _wound(copy: bytearray, dice: random.Random) -> None:
    at, kind = dice.randrange(len(copy)), dice.randrange(7)
    if kind == 0:
        copy[at] ^= 1 << dice.randrange(8)
    elif kind == 1:
        copy[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\xfe\xff\xff\x7f", b"\0\0\0\0", b"SQ\0\0"))
    elif kind == 2:
        del copy[at : at + dice.randint(1, 40)]
    elif kind == 3:
        copy[at:at] = copy[at : at + dice.randint(1, 60)]
    elif kind == 4:
        copy[at : at + 8] = dice.choice((b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0"))
    elif kind == 5:
        head = copy.find(b"\x10\x00", at)
        copy[head + 4 : head + 6] = dice.choice(_VRS)
    else:
        head = copy.find(b"\x08\x00\x05\x00CS")
        value = dice.choice(_CHARSETS)
        copy[head + 8 : head + 8 + len(value)] = value


def _spliced(one: bytes, other: bytes, dice: random.Random) -> bytes:
    return one[: dice.randrange(len(one))] + other[dice.randrange(len(other)) :]


def _nested(data: bytes, depth: int) -> bytes:
    return _LEVEL * depth + data


def _deflated(data: bytes, dice: random.Random) -> bytes:
    """Broken, or a bomb."""
    packer = zlib.compressobj(9, wbits=-15)
    body = data + bytes(dice.choice((0, 0, 90 << 20)))
    packed = bytearray(packer.compress(body) + packer.flush())
    if dice.random() < 0.5:
        packed[dice.randrange(len(packed))] ^= 1 << dice.randrange(8)
    return bytes(packed)


def fate(one: Mutant) -> str:
    """'refused', 'held', 'clean', or what went wrong."""
    try:
        clean = deidentify(one.data, one.syntax, ENGINE, lambda facts: SUBJECT)
    except DeidError as refusal:
        return "refused" if str(refusal) else "refused without a reason"
    out = b"".join(clean.rest)
    if one.syntax != DEFLATED and restore(out, one.syntax, clean.seal) != one.data:
        return "not restored"
    if clean.holds:
        return "held"
    return "unclean" if _names_somebody(out, one.syntax, clean) else "clean"


def _names_somebody(out: bytes, syntax: str, clean: Clean) -> bool:
    """In the header: a mutation may well have moved a name into what calls itself pixel data."""
    work = Engine(KEEP_ALL, Limits(inflated=64 << 20)).begin(syntax)
    work.feed(out)
    work.end()
    return any(needle in part for part in (clean.meta, *work.originals) for needle in NEEDLES)


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """An exception in whatever takes longer, in CPU time."""

    def stop(signal_number: int, frame: object) -> None:
        raise TimeoutError("this file takes too long")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    seed, count = int(os.environ.get("SEED", time.time())), int(os.environ.get("COUNT", "10000"))
    dice, some, fates = random.Random(seed), seeds(), Counter[str]()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{count} mutants of {len(some)} files, SEED={seed}")
    for number in range(count):
        one = mutant(some, dice)
        with patience(PATIENCE):
            what = fate(one)
        fates[what] += 1
        if what not in ("refused", "held", "clean"):
            print(f"\nmutant {number} of SEED={seed}: {what}")
        if sys.stderr.isatty() and number % 100 == 0:
            print(f"\r{number} {dict(fates)}", end="", file=sys.stderr)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{dict(fates)}; peak {peak >> 10} MB, {base >> 10} MB of them before the first")
    return int(bool(fates.keys() - {"refused", "held", "clean"}) or peak >> 10 >= 256)


if __name__ == "__main__":
    sys.exit(main())
