"""Hunting at the level of one object: its own needles, and what is left of them in the finished header."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from proxy.deid.charsets import decode
from proxy.deid.context import Hold
from proxy.deid.needles import Needles, collect, needles, squeeze
from proxy.deid.plan import STRUCTURE, WORDS, Plan
from proxy.deid.recipe import KEEP_ALL
from proxy.deid.rules import Rule, show
from proxy.deid.stream import Scan
from proxy.deid.text import is_foreign

if TYPE_CHECKING:
    from proxy.deid.stream import Token

MOST_VALUES: Final = 500  # a real image names a few dozen people and places; more would only slow the hunt
LONGEST_VALUE: Final = 2048
NONE: Final = Needles((), "")
TOO_MANY: Final = Needles((), "")
UNHUNTED: Final = Hold("residual", "It names more people and places than can be hunted.")
_EVERYTHING: Final = Plan(KEEP_ALL, hunting=True)
_OURS: Final = STRUCTURE | frozenset((0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00120064, 0x00280303))


def own_values(
    buf: bytes, keen: "Sequence[Token]", charset: bytes, more: Iterable[tuple[str, bytes]] = ()
) -> Needles:
    """Needles from the original values of identifying attributes, at every depth, and from (kind, value) pairs."""
    pairs = [(token[0].hunt, buf[token[2] : token[3]]) for token in keen if token[0].hunt and not token[4]]
    pairs.extend(more)
    return _own(tuple(pairs), charset)


@lru_cache(maxsize=512)
def _own(pairs: tuple[tuple[str, bytes], ...], charset: bytes) -> Needles:
    """Instances of one series share them."""
    own = collect(pairs)
    if len(own) > MOST_VALUES or any(len(value) > LONGEST_VALUE for _, value in own):
        return TOO_MANY
    return needles(own, charset)


def residual(clean: bytes, explicit: bool, own: Needles, charset: bytes) -> tuple[Hold, ...]:
    """After the hunt: whatever of the person's own values still stands in text or in opaque bytes."""
    if own.pattern is None or not own.hits(squeeze(clean)):
        return ()
    scan = Scan(_EVERYTHING, explicit)
    scan.run(clean)
    for rule, start, end in _standing(scan):
        value = clean[start:end]
        if own.pattern.search(decode(value, charset)) or is_foreign(value, charset, own):
            return (Hold("residual", f"A value of the person is still in {show(rule.tag)}."),)
    return ()


def _standing(scan: Scan) -> "Iterator[tuple[Rule, int, int]]":
    """Text of the clean header, without what we wrote ourselves."""
    index, tokens = 0, scan.tokens
    while index < len(tokens):
        rule, _, start, end, link = tokens[index]
        ours = rule.tag in _OURS
        index = link if link and ours else index + 1
        if not link and not ours and rule.written in WORDS:
            yield rule, start, end
