"""Hunting at the level of one object: its own needles, and what is left of them in the finished header."""

from collections.abc import Iterator
from typing import Final

from proxy.deid.charsets import decode
from proxy.deid.context import Hold
from proxy.deid.needles import Needles, collect, needles, squeeze
from proxy.deid.plan import STRUCTURE, WORDS, Plan
from proxy.deid.recipe import KEEP_ALL
from proxy.deid.stream import Scan

NONE: Final = Needles((), None)
_EVERYTHING: Final = Plan(KEEP_ALL, hunting=True)
_OURS: Final = STRUCTURE | frozenset((0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00280303))


def own_values(scan: Scan, charset: bytes) -> Needles:
    """Needles from the original values of identifying attributes, at every depth."""
    return needles(collect(_pairs(scan)), charset)


def _pairs(scan: Scan) -> Iterator[tuple[str, bytes]]:
    buf = scan.buf
    for rule, _, start, end, link in scan.tokens:
        if rule.hunt and not link:
            yield rule.hunt, buf[start:end]


def residual(clean: bytes, explicit: bool, own: Needles, charset: bytes) -> tuple[Hold, ...]:
    """After the hunt: whatever of the person's own values still stands in text or in opaque bytes."""
    if own.pattern is None or not own.hits(squeeze(clean)):
        return ()
    scan = Scan(_EVERYTHING, explicit)
    scan.run(clean)
    for rule, _, start, end, link in scan.tokens:
        if link or rule.written not in WORDS or rule.tag in _OURS:
            continue
        if own.pattern.search(decode(clean[start:end], charset)):
            return (
                Hold(
                    "residual",
                    f"A value of the person is still in {rule.tag >> 16:04X},{rule.tag & 0xFFFF:04X}.",
                ),
            )
    return ()
