"""Tokenise an encoded data set without decoding its values.

One pass over the bytes finds every element at every depth, checks that all lengths fit, and notes a *token* only
where a rule wants something: (rule, start, value, end, link). Sequences and items bracket their children: their
link is the index after their last child; an item's token carries the item's number where others carry the start
of the value. A sequence in which nothing is wanted leaves no token at all, and neighbours that all go share one
(its "value" is the index of their tags in `runs`), so the second pass (splice.py) touches only what changes.

The two walks are the hottest loops of the house and are written out by hand: what looks repeated there is a call
saved for every element (docs/performance.md).

Explicit and implicit little endian are walked here; big endian is turned around before (bigendian.py) and
deflated data inflated (intake.py). Whatever cannot be parsed raises Unreadable. `More` means that the bytes
end inside an element: while data are still coming that is patience, at the end it is a truncated data set.
"""

from collections.abc import Callable
from struct import Struct
from struct import error as BadStruct  # noqa: N812 - its own name says nothing here
from typing import Final, TypeAlias

from proxy.deid.errors import TooDeep, TooLarge, Unreadable
from proxy.deid.rules import (
    ACT,
    BULK,
    END,
    GONE,
    ITEM,
    LONG,
    OVERLAY_BIT,
    RUN,
    SEQUENCE,
    Lookup,
    Rule,
    tag_number,
)
from proxy.deid.shapes import MOST

DEPTH: Final = 64
MOST_TOKENS: Final = (
    1_000_000  # each costs up to a kilobyte until its image is through; ten thousand frames have a fifth
)
CROWDED: Final = "more elements are to be changed than the limit"
OPEN: Final = 0xFFFFFFFF
ITEM_TAG: Final = b"\xfe\xff\x00\xe0"
ITEM_END: Final = b"\xfe\xff\x0d\xe0"
SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0"

_SHORT: Final = Struct("<6sH").unpack_from
_IMPLICIT: Final = Struct("<4sI").unpack_from
_U32: Final = Struct("<I").unpack_from

Head: TypeAlias = Callable[
    [bytes, int], tuple[bytes, int]
]  # (tag and VR, length) of the element at an offset
Walk: TypeAlias = Callable[
    [int, int, bool, int], int
]  # (start, end, undefined length, depth) to where it ended
Token: TypeAlias = "tuple[Rule, int, int, int, int]"  # noqa: S105 - no password


class More(Exception):
    """The bytes end inside the element that starts at this offset."""


class Scan:
    """One buffer being tokenised."""

    __slots__ = (
        "buf",
        "bulk_at",
        "explicit",
        "is_doubled",
        "keen",
        "lookup",
        "runs",
        "standing",
        "starts",
        "tokens",
    )

    def __init__(self, lookup: Lookup, explicit: bool) -> None:
        self.lookup = lookup
        self.explicit = explicit
        self._begin(b"")

    def _begin(self, buf: bytes) -> None:
        self.buf = buf
        self.tokens: list[Token] = []
        self.runs: list[list[int]] = []  # tags of neighbours that all go
        self.keen: list[Token] = []  # tokens whose original values somebody wants, at every depth
        self.standing: dict[int, Token] = {}  # those of the top level by tag; of two with one tag the first
        self.starts: list[int] = []  # where top level elements start, of a run only the first
        self.is_doubled = False  # whether one of these stands there twice, and says two things
        self.bulk_at = -1  # where pixel data start at the top level

    def run(self, buf: bytes) -> None:
        """Tokenise buf from its start; raises More if it ends inside an element."""
        self._begin(buf)
        walk = self._explicit if self.explicit else self._implicit
        try:
            walk(0, len(buf), False, 0)
        except (BadStruct, IndexError) as trouble:
            raise Unreadable("the data set cannot be tokenised") from trouble

    def has_up_to(self, tag: int) -> bool:
        """Whether an element of the top level, other than those that all go, has this tag or a lower one."""
        return any(tag_number(self.buf[at : at + 4]) <= tag for at in self.starts)

    @property
    def draws_in_pixels(self) -> bool:
        """Whether an overlay lies in bits of the pixel data (PS3.5 8.1.2, retired)."""
        bits = (token for tag, token in self.standing.items() if tag & 0xFF00FFFF == OVERLAY_BIT)
        return any(any(self.buf[token[2] : token[3]]) for token in bits)

    def _explicit(self, pos: int, end: int, is_open: bool, depth: int) -> int:  # noqa: PLR0912
        buf, tokens, want, last = self.buf, self.tokens, self.keen.append, end - 8
        add = tokens.append
        get, learn = self.lookup.explicit.get, self.lookup.learn_explicit
        note = self.starts.append if depth == 0 else None
        while pos <= last:
            key, length = _SHORT(buf, pos)
            rule = get(key) or learn(key, pos)
            code = rule.code
            if note:
                note(pos)
            if code <= GONE:  # a short element: by far the most
                start = pos
                pos += 8 + length
                if code == GONE:
                    pos = self._run(rule, start, end, _SHORT, get)
                elif code:
                    token = (rule, start, start + 8, pos, 0)
                    add(token)
                    if len(tokens) > MOST_TOKENS:
                        raise TooLarge(CROWDED)
                    if code != ACT:
                        want(token)
                        if note and self.standing.setdefault(rule.tag, token) is not token:
                            self._again(token)
                if pos > end:
                    raise More(start)
                continue
            if code & END:
                if not is_open or depth == 0:
                    raise Unreadable(f"a delimiter where none belongs at offset {pos}")
                return pos + 8
            if code & LONG:
                if pos + 12 > end:
                    raise More(pos)
                value, length = pos + 12, _U32(buf, pos + 8)[0]
            else:
                value = pos + 8
            if code & BULK and depth == 0:
                self.bulk_at = pos
                self.starts.pop()
                return pos
            pos = self._large(rule, pos, value, length, end, depth, True)
        if is_open or pos != end:
            raise More(pos)
        return pos

    def _implicit(self, pos: int, end: int, is_open: bool, depth: int) -> int:  # noqa: PLR0912
        buf, tokens, want, last = self.buf, self.tokens, self.keen.append, end - 8
        add = tokens.append
        get, learn = self.lookup.implicit.get, self.lookup.learn_implicit
        note = self.starts.append if depth == 0 else None
        while pos <= last:
            key, length = _IMPLICIT(buf, pos)
            rule = get(key) or learn(key, pos)
            code = rule.code
            if note:
                note(pos)
            if code <= GONE and length != OPEN:
                start = pos
                pos += 8 + length
                if code == GONE:
                    pos = self._run(rule, start, end, _IMPLICIT, get)
                elif code:
                    token = (rule, start, start + 8, pos, 0)
                    add(token)
                    if len(tokens) > MOST_TOKENS:
                        raise TooLarge(CROWDED)
                    if code != ACT:
                        want(token)
                        if note and self.standing.setdefault(rule.tag, token) is not token:
                            self._again(token)
                if pos > end:
                    raise More(start)
                continue
            if code & END:
                if not is_open or depth == 0:
                    raise Unreadable(f"a delimiter where none belongs at offset {pos}")
                return pos + 8
            if code & BULK and depth == 0:
                self.bulk_at = pos
                self.starts.pop()
                return pos
            pos = self._large(rule, pos, pos + 8, length, end, depth, False)
        if is_open or pos != end:
            raise More(pos)
        return pos

    def _run(self, first: Rule, start: int, end: int, head: Head, get: Callable[[bytes], Rule | None]) -> int:
        """Neighbours that all go, from start on; where they end. The rule of the first may be remembered by nobody."""
        buf, last, shapes = self.buf, end - 8, self.lookup.shapes[head is _SHORT]
        pos, run = start, list[int]()
        while pos <= last:
            shape = shapes.at(buf, pos, end)
            if shape:
                run += shape.tags
                pos += shape.size
                continue
            tags, starts = list[int](), list[int]()
            while pos <= last and len(tags) < MOST:
                key, length = head(buf, pos)
                rule = first if pos == start else get(key)
                if rule is None or rule.code != GONE or length == OPEN:
                    break
                tags.append(rule.tag)
                starts.append(pos)
                pos += 8 + length
            if pos <= end:
                shapes.learn(buf, starts, pos, tags)
            run += tags
            if len(tags) < MOST:
                break
        self._add((RUN, start, len(self.runs), pos, 0), depth=1)
        self.runs.append(run)
        return pos

    def _keen(self, token: Token, depth: int) -> None:
        self.keen.append(token)
        if depth == 0 and self.standing.setdefault(token[0].tag, token) is not token:
            self._again(token)

    def _again(self, token: Token) -> None:
        """A tag of the top level once more."""
        first = self.standing[token[0].tag]
        self.is_doubled |= self.buf[first[2] : first[3]] != self.buf[token[2] : token[3]]

    def _large(
        self, rule: Rule, pos: int, value: int, length: int, end: int, depth: int, explicit: bool
    ) -> int:
        """A long or nested element, or one of undefined length."""
        code = rule.code
        if code & SEQUENCE:
            if length != OPEN and (rule.vr == "UN" or not explicit):
                return self._hidden_sequence(rule, pos, value, length, end, depth)
            return self._sequence(rule, pos, value, length, end, depth, explicit and rule.vr != "UN")
        if length == OPEN:
            if code & BULK or (explicit and rule.vr != "UN"):
                return self._fragments(rule, pos, value, end, depth)
            # PS3.5 6.2.2: UN (or an implicit unknown) of undefined length is a sequence in implicit little endian
            return self._sequence(self.lookup.as_sequence(rule), pos, value, length, end, depth, False)
        after = value + length
        if after > end:
            raise More(pos)
        if code & ACT:
            self._add((rule, pos, value, after, 0), depth)
        return after

    def _add(self, token: Token, depth: int) -> None:
        if len(self.tokens) >= MOST_TOKENS:
            raise TooLarge(CROWDED)
        self.tokens.append(token)
        if token[0].keen:
            self._keen(token, depth)

    def _hidden_sequence(self, rule: Rule, pos: int, value: int, length: int, end: int, depth: int) -> int:
        """A sequence only by the dictionary (VR UN, or implicit VR): walked if it is one, else dropped."""
        if value + length > end:
            raise More(pos)
        tokens, keen = len(self.tokens), len(self.keen)
        try:
            return self._sequence(rule, pos, value, length, end, depth, False)
        except (More, Unreadable):
            del self.tokens[tokens:], self.keen[keen:]
        after = value + length
        self._add((self.lookup.opaque(rule), pos, value, after, 0), depth)
        return after

    def _sequence(
        self, rule: Rule, pos: int, value: int, length: int, end: int, depth: int, explicit: bool
    ) -> int:
        if depth >= DEPTH:
            raise TooDeep(f"nested deeper than {DEPTH} levels at offset {pos}")
        is_open = length == OPEN
        if not is_open:
            if value + length > end:
                raise More(pos)
            end = value + length
        tokens = self.tokens
        mine = len(tokens)
        tokens.append((rule, pos, value, 0, 0))
        after = self._items(value, end, is_open, depth + 1, self._explicit if explicit else self._implicit)
        if len(tokens) == mine + 1 and not rule.code & ACT:
            del tokens[mine:]
            return after
        tokens[mine] = token = (rule, pos, value, after, len(tokens))
        if rule.keen:
            self._keen(token, depth)
        return after

    def _items(self, pos: int, end: int, is_open: bool, depth: int, walk: Walk) -> int:
        buf, tokens = self.buf, self.tokens
        number, last = 0, end - 8
        while pos <= last:
            tag, length = _IMPLICIT(buf, pos)
            if tag == ITEM_TAG:
                value = pos + 8
                stop = end if length == OPEN else value + length
                if stop > end:
                    raise More(pos)
                mine = len(tokens)
                if mine >= MOST_TOKENS:
                    raise TooLarge(CROWDED)
                tokens.append((ITEM, pos, number, 0, 0))
                after = walk(value, stop, length == OPEN, depth)
                if len(tokens) == mine + 1:
                    del tokens[mine:]
                else:
                    tokens[mine] = (ITEM, pos, number, after, len(tokens))
                number += 1
                pos = after
            elif tag == SEQUENCE_END and is_open:
                return pos + 8
            else:
                raise Unreadable(f"no item where one belongs at offset {pos}")
        if is_open or pos != end:
            raise More(pos)
        return pos

    def _fragments(self, rule: Rule, pos: int, value: int, end: int, depth: int) -> int:
        """Encapsulated pixel data below the top level (an icon)."""
        buf, at = self.buf, value
        while at + 8 <= end:
            tag, length = _IMPLICIT(buf, at)
            at += 8
            if tag == SEQUENCE_END:
                if rule.code & ACT:
                    self._add((rule, pos, value, at, 0), depth)
                return at
            if tag != ITEM_TAG or length == OPEN:
                raise Unreadable(f"no fragment where one belongs at offset {at - 8}")
            at += length
        raise More(pos)
