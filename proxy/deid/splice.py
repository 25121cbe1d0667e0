"""The second pass: visit the tokens, let each rule act, copy everything between them as it is.

Output grows as slices of the original and replacements. Every change leaves an *edit* (where in the clean
bytes, how many clean bytes, which original bytes, under which path): the seal is made of nothing else, so
whatever is changed here can be restored. `delta` is how far clean offsets are ahead of original ones; a
sequence or item of defined length whose children moved it gets its length corrected, as one more edit.
"""

from bisect import bisect_right
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

from proxy.deid.errors import EngineFault
from proxy.deid.rules import RUN, SPACE_PADDED, drop, tag_bytes, tag_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.deid.context import Context
    from proxy.deid.stream import Scan, Token

_PUT_LENGTH: Final = Struct("<I").pack_into
_PACK_SHORT: Final = Struct("<H").pack
_PACK_LONG: Final = Struct("<I").pack
_OPEN: Final = b"\xff\xff\xff\xff"
LONG_VRS: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))

Path: TypeAlias = "tuple[Path, int, int] | None"  # (parent, sequence tag, item number)
Edit: TypeAlias = (
    "tuple[int, int, int, int, Path]"  # clean offset, clean length, original start and end, path
)


class Splice:
    """One buffer being rewritten."""

    __slots__ = (
        "at", "buf", "context", "creators", "delta", "depth", "dropped", "edits", "log", "out", "path", "run",
        "runs", "texts", "tokens",
    )  # fmt: skip

    def __init__(self, scan: "Scan", context: "Context") -> None:
        self.buf = scan.buf
        self.tokens = scan.tokens
        self.runs = scan.runs
        self.context = context
        self.out = bytearray()
        self.run = 0  # original offset up to which out is complete
        self.delta = 0
        self.depth = 0
        self.at = 0  # index of the token that acts now
        self.path: Path = None
        self.creators: dict[tuple[int, int], str] = {}  # (group, block) of this item to private creator
        self.edits: list[Edit] = []
        self.log: list[tuple[int, str]] = []  # (tag, action) of each change
        self.dropped: list[int] = []  # tags of those that went
        self.texts: list[bytes] = []  # what stays and may hold anything

    def visit(self, first: int, last: int) -> None:
        """Let the rules of tokens[first:last] act, in order."""
        tokens, top, context = self.tokens, self.depth == 0, self.context
        resolved = context.resolved.get
        while first < last:
            token = tokens[first]
            rule, link = token[0], token[4]
            self.at = first
            first = link or first + 1
            action = (resolved(rule) or context.resolve(rule)) if top else rule.nested
            if action is drop:  # by far the most frequent: not worth three calls
                first = self._drop_run(token, first, last, top)
            else:
                action(self, token)

    def _drop_run(self, token: "Token", first: int, last: int, top: bool) -> int:
        """Drop this element and those right behind it that go as well; the index of the next token."""
        tokens, context = self.tokens, self.context
        rule, start, value, end, _ = token
        while True:
            if rule is RUN:
                self.dropped += self.runs[value]
            else:
                self.dropped.append(rule.tag)
            if first >= last:
                break
            rule, at, value, after, link = tokens[first]
            if at != end or (context.resolve(rule) if top else rule.nested) is not drop:
                break
            end = after
            first = link or first + 1
        self.replace(start, end, b"")
        return first

    def walk(self, token: "Token", each: "Callable[[int, int], bool] | None" = None) -> None:
        """Keep a sequence, and visit its items; `each` gets an item's index and where its children end, and
        returns whether the item stays."""
        _, _, value, _, last = token
        rule, before, outer = token[0], self.delta, self.path
        index = self.at + 1
        self.depth += 1
        while index < last:
            _, at, number, _, link = self.tokens[index]
            self.path = (outer, rule.tag, number)
            inner, creators = self.delta, self.creators
            self.creators = {}
            stays = True
            if each:
                stays = each(index, link)
            else:
                self.visit(index + 1, link)
            self.creators = creators
            if stays and self.delta != inner:
                self._correct(at + 4, inner)
            index = link
        self.depth -= 1
        self.path = outer
        if self.delta != before:
            self._correct(value - 4, before)
        if rule.indexed and not self.depth:
            self.context.values[rule.tag] = self._clean(value, token[3], before)

    def _clean(self, start: int, end: int, ahead: int) -> bytes:
        """What stands now where original bytes [start:end) stood; `ahead` is what `delta` was before them."""
        return bytes(self.out[start + ahead :]) + self.buf[max(self.run, start) : end]

    def _correct(self, at: int, before: int) -> None:
        """The length field at `at` covers bytes that grew or shrank since `delta` was `before`."""
        old = self.buf[at : at + 4]
        if old == _OPEN:
            return
        length = int.from_bytes(old, "little") + self.delta - before
        if length < 0:
            raise EngineFault("a length went below zero")
        _PUT_LENGTH(self.out, at + before, length)
        self.edits.append((at + before, 4, at, at + 4, self.path))

    def sequences(self) -> tuple[int, ...]:
        """Tags of the sequences around the current element, outermost first."""
        found, path = [], self.path
        while path is not None:
            found.append(path[1])
            path = path[0]
        return tuple(reversed(found))

    def replace(self, start: int, end: int, new: bytes) -> None:
        """Original bytes [start:end) become new."""
        edits, out = self.edits, self.out
        if not new and self.run == start and edits:
            at, size, begin, stop, path = edits[-1]
            if not size and stop == start and path is self.path:
                edits[-1] = (at, 0, begin, end, path)
                self.run = end
                self.delta -= end - start
                return
        out += self.buf[self.run : start]
        out += new
        edits.append((start + self.delta, len(new), start, end, self.path))
        self.run = end
        self.delta += len(new) - (end - start)

    def drop(self, token: "Token") -> None:
        self.dropped.append(token[0].tag)
        self.replace(token[1], token[3], b"")

    def put(self, token: "Token", value: bytes, done: str) -> None:
        """The same element with another value, padded as its VR asks."""
        rule, start, _, end, _ = token
        if rule.indexed and not self.depth:
            self.context.values[rule.tag] = value
        size = len(value)
        if size & 1:
            value += rule.pad
            size += 1
        if rule.head and size < 0xFFFF:
            new = rule.head + _PACK_SHORT(size) + value
        elif not rule.explicit:
            new = rule.raw + _PACK_LONG(size) + value
        else:
            new = encode_element(rule.raw, rule.vr, value)
        if new != self.buf[start:end]:
            self.log.append((rule.tag, done))
            self.replace(start, end, new)

    def overwrite(self, token: "Token") -> None:
        """Another element in its place, or none: what the context says (masks/plan.py)."""
        tag = token[0].tag
        vr, value = self.context.overwritten[tag]
        if value is None:
            self.drop(token)
            return
        self.log.append((tag, "mask"))
        self.replace(token[1], token[3], make_element(tag, vr, value, self.context.explicit))

    def insert(self, at: int, new: bytes) -> None:
        self.replace(at, at, new)

    def value(self, token: "Token") -> bytes:
        return self.buf[token[2] : token[3]]

    def finish(self) -> bytes:
        self.out += self.buf[self.run :]
        self.run = len(self.buf)
        return bytes(self.out)


def padded(vr: str, value: bytes) -> bytes:
    if len(value) % 2 == 0:
        return value
    return value + (b" " if vr in SPACE_PADDED else b"\0")


def encode_element(raw: bytes, vr: str, value: bytes) -> bytes:
    """vr is empty for implicit VR; the value is padded already."""
    if not vr:
        return raw + len(value).to_bytes(4, "little") + value
    if vr in LONG_VRS:
        return raw + vr.encode() + b"\0\0" + len(value).to_bytes(4, "little") + value
    if len(value) > 0xFFFE:
        raise EngineFault(f"a value grew beyond what its VR can hold at {raw.hex()}")
    return raw + vr.encode() + len(value).to_bytes(2, "little") + value


def make_element(tag: int, vr: str, value: bytes, explicit: bool) -> bytes:
    return encode_element(tag_bytes(tag), vr if explicit else "", padded(vr, value))


def item(body: bytes) -> bytes:
    """An item of defined length."""
    return b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body


def position(scan: "Scan", tag: int) -> int:
    """Where at the top level an element with this tag belongs."""
    buf, starts = scan.buf, scan.starts
    index = bisect_right(starts, tag, key=lambda at: tag_number(buf[at : at + 4]))
    return starts[index] if index < len(starts) else len(buf)
