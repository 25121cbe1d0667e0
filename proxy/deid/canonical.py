"""One digest for one image, in whatever way it is encoded: for the rare look whether two images are the same.

Tags and values in order, without VRs, length forms, group lengths, padding, and what only describes how pixels are
encoded. Costs as much as a whole de-identification; the hot path digests the header's bytes as they are instead.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.deid.dictionary import vr_of
from proxy.deid.engine import Engine
from proxy.deid.plan import Plan
from proxy.deid.recipe import KEEP_ALL
from proxy.deid.rules import ACT, ITEM, Rule, nothing
from proxy.deid.stream import Scan

if TYPE_CHECKING:
    from proxy.deid.stream import Token

# What tells only how pixels are encoded: another transfer syntax may change it, the image stays the same
ENCODING_ONLY: Final = frozenset(
    (0x00080001, 0x00280004, 0x00280006, 0x00282110, 0x00282112, 0x00282114, 0xFFFCFFFC, 0x7FE00001, 0x7FE00002)
)  # fmt: skip
_KEEP: Final = Engine(KEEP_ALL)


class Canonical(NamedTuple):
    header: bytes
    bulk: bytes


class _Everything(Plan):
    """Every element wants to be seen, but for those that only describe the encoding."""

    def _rule(self, tag: int, vr: str, explicit: bool, written: str = "") -> Rule:
        written = written or (vr if vr != "UN" else vr_of(tag) or "UN")
        seen = 0 if tag in ENCODING_ONLY or tag & 0xFFFF == 0 else ACT
        return Rule(
            tag, vr, written, self._shape(tag, vr, written, explicit) | seen, explicit, nothing, nothing
        )


_PLAN: Final = _Everything(KEEP_ALL)


def canonical(pieces: Iterable[bytes | memoryview], transfer_syntax: str) -> Canonical:
    """Of an encoded data set that comes in pieces; pixel data are digested and forgotten. Raises Unreadable."""
    work = _KEEP.begin(transfer_syntax)
    for piece in pieces:
        work.feed(piece)
        work.forget()
    work.end()
    header = hashlib.sha256()
    for buf in work.originals:
        scan = Scan(_PLAN, work.explicit)
        scan.run(buf)
        for piece in _pieces(buf, scan.tokens, 0, len(scan.tokens)):
            header.update(piece)
    return Canonical(header.digest(), work.bulk_digest)


def _pieces(buf: bytes, tokens: "Sequence[Token]", first: int, last: int) -> Iterator[bytes]:
    while first < last:
        rule, _, value, end, link = tokens[first]
        first += 1
        if link:
            yield b"(" + (value.to_bytes(4, "little") if rule is ITEM else rule.raw)
            yield from _pieces(buf, tokens, first, link)
            yield b")"
            first = link
        else:
            yield rule.raw + (end - value).to_bytes(8, "little")
            yield buf[value:end]
