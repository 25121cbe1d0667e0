"""What the scanner asks of every element: one look-up by tag (and VR), one answer, a Rule.

Code bits, ordered so that `code <= GONE` means "short and flat": the scanner's fast path.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from proxy.deid.shapes import Shapes

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token

ACT: Final = 1  # the second pass wants to see it
KEEN: Final = 2  # and somebody wants its original value (never without ACT)
GONE: Final = 4  # it goes wherever it stands, and nobody asks what it said (only for short ones)
LONG: Final = 8  # explicit VR with a 32 bit length
SEQUENCE: Final = 16
BULK: Final = 32  # pixel data: passed through at the top level
END: Final = 64  # item delimiter

SPACE_PADDED: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT")
)

Action: TypeAlias = Callable[["Splice", "Token"], None]


class ByType:
    """A compound action at the top level: the attribute's Type in the SOP Class says which one it is."""

    __slots__ = ("actions",)

    def __init__(self, unknown: Action, type_1: Action, type_2: Action, type_3: Action) -> None:
        self.actions = (unknown, type_1, type_2, type_3)

    def __call__(self, splice: "Splice", token: "Token") -> None:
        self.actions[splice.context.type_of(token[0].tag)](splice, token)


class Rule:
    """What happens to one kind of element. Immutable after it was made."""

    __slots__ = (
        "action", "code", "explicit", "head", "hunt", "indexed", "keen", "long", "nested", "pad", "raw", "tag", "vr",
        "written",
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
        self.keen = bool(code & KEEN)
        self.indexed = False  # the index of studies wants its clean value
        self.hunt = ""  # the kind of needle that the original value makes (needles.py)


class Lookup(Protocol):
    """Rules by their encoded key: tag and VR (explicit), or tag (implicit)."""

    explicit: dict[bytes, Rule]
    implicit: dict[bytes, Rule]
    shapes: tuple[Shapes, Shapes]  # without VRs, with VRs

    def learn_explicit(self, key: bytes, pos: int) -> Rule: ...
    def learn_implicit(self, key: bytes, pos: int) -> Rule: ...
    def as_sequence(self, rule: Rule) -> Rule: ...
    def opaque(self, rule: Rule) -> Rule: ...


def tag_bytes(tag: int) -> bytes:
    return bytes((tag >> 16 & 0xFF, tag >> 24, tag & 0xFF, tag >> 8 & 0xFF))


PIXEL_DATA: Final = 0x7FE00010
OVERLAY_BIT: Final = 0x60000102  # in each of the groups 6000 to 60FF


def tag_number(raw: bytes) -> int:
    return raw[1] << 24 | raw[0] << 16 | raw[3] << 8 | raw[2]


def show(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def nothing(splice: "Splice", token: "Token") -> None:
    """Keep as it is."""


def drop(splice: "Splice", token: "Token") -> None:
    splice.drop(token)


def overwrite(splice: "Splice", token: "Token") -> None:
    """Say what is true of masked pixels."""
    splice.overwrite(token)


ITEM: Final = Rule(0xFFFEE000, "", "", 0, True, nothing, nothing)
DELIMITER: Final = Rule(0xFFFEE00D, "", "", END, True, nothing, nothing)
RUN: Final = Rule(0, "", "", ACT, True, drop, drop)  # neighbours that all go
