"""What the scanner asks of every element: one look-up by tag (and VR), one answer, a Rule.

Code bits, ordered so that `code <= ACT` means "short, flat, and digested": the scanner's fast path.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token

ACT: Final = 1  # the second pass wants to see it
LONG: Final = 2  # explicit VR with a 32 bit length
SEQUENCE: Final = 4
BULK: Final = 8  # pixel data: passed through at the top level
END: Final = 16  # item delimiter
UNDIGESTED: Final = 32  # group lengths, padding and what only describes the encoding

SPACE_PADDED: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT")
)

Action: TypeAlias = Callable[["Splice", "Token"], None]


class Rule:
    """What happens to one kind of element. Immutable after it was made."""

    __slots__ = (
        "action", "code", "explicit", "head", "hunt", "keen", "long", "nested", "pad", "raw", "tag", "vr", "written",
    )  # fmt: skip

    def __init__(
        self, tag: int, vr: str, written: str, code: int, explicit: bool, action: Action, nested: Action
    ) -> None:
        self.tag = tag
        self.vr = vr  # as the element says it; the dictionary's in implicit data
        self.written = written  # the VR that its value follows (for UN the dictionary's)
        self.code = code
        self.explicit = explicit
        self.long = bool(code & LONG)
        self.raw = tag_bytes(tag)
        self.head = (
            b"" if self.long or not explicit else self.raw + vr.encode("latin-1")
        )  # before a short length
        self.pad = b" " if written in SPACE_PADDED else b"\0"
        self.action = action  # at the top level
        self.nested = nested  # below it
        self.keen = False  # somebody wants to see the original value
        self.hunt = ""  # the kind of needle that the original value makes (needles.py)


class Lookup(Protocol):
    """Rules by their encoded key: tag and VR (explicit), or tag (implicit)."""

    explicit: dict[bytes, Rule]
    implicit: dict[bytes, Rule]

    def learn_explicit(self, key: bytes, pos: int) -> Rule: ...
    def learn_implicit(self, key: bytes, pos: int) -> Rule: ...
    def as_sequence(self, rule: Rule) -> Rule: ...
    def opaque(self, rule: Rule) -> Rule: ...


def tag_bytes(tag: int) -> bytes:
    return bytes((tag >> 16 & 0xFF, tag >> 24, tag & 0xFF, tag >> 8 & 0xFF))


def tag_number(raw: bytes) -> int:
    return raw[1] << 24 | raw[0] << 16 | raw[3] << 8 | raw[2]


def show(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def nothing(splice: "Splice", token: "Token") -> None:
    """Keep as it is."""


ITEM: Final = Rule(0xFFFEE000, "", "", 0, True, nothing, nothing)
DELIMITER: Final = Rule(0xFFFEE00D, "", "", END, True, nothing, nothing)
