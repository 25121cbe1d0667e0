"""What one object's actions share: whose it is now, what it is, and what was seen so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

from proxy.deid.identifiers import map_uid
from proxy.deid.needles import Needles
from proxy.deid.rules import Action, ByType, Rule, overwrite
from proxy.deid.tables import types_of

# Top level values that the index of studies wants from every clean image: extend it here and nowhere else. Those of
# sequences are their items, encoded as the clean data set is
INDEXED: Final = frozenset(
    (
        0x00080005, 0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x00080030,
        0x00080031, 0x00080032, 0x00080033, 0x00080050, 0x00080060, 0x00080070, 0x00080080, 0x00080090,
        0x00080201, 0x00081010, 0x00081030, 0x00081032, 0x0008103E, 0x00081090, 0x00082218, 0x00100010,
        0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00101010, 0x00101020, 0x00101030, 0x00180015,
        0x00181030, 0x0020000D, 0x0020000E, 0x00200010, 0x00200011, 0x00200012, 0x00200013, 0x00200052, 0x00200060,
        0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00400244, 0x00400245, 0x00400253, 0x00400275,
        0x0040A493,
    )
)  # fmt: skip


MEMORY: Final = (
    20_000  # rules that are remembered, then all are learned anew: a hostile sender cannot make it more
)
Resolved: TypeAlias = dict[Rule, Action]


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the person is from now on; made by the caller, who keeps the vault."""

    pseudonym: str
    shift_days: int
    uid_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hold:
    """A gate says no. The reason is a sentence without any identity."""

    code: str
    reason: str


class Context:
    """Mutable while one object is de-identified; never leaves the engine."""

    __slots__ = (
        "charset", "cuts", "dummy", "explicit", "needles", "overwritten", "resolved", "subject", "types", "values",
    )  # fmt: skip

    def __init__(
        self, subject: Subject, sop_class: str, charset: bytes, explicit: bool, resolved: Resolved
    ) -> None:
        self.subject = subject
        self.types = types_of(sop_class)
        self.resolved = resolved
        self.charset = charset
        self.explicit = explicit
        self.values: dict[int, bytes] = {}
        self.needles: Needles | None = None  # set in the second, hunting visit
        self.cuts = 0
        # Top level attributes that say something else where pixels are masked (VR, value), None: gone
        self.overwritten: Mapping[int, tuple[str, bytes | None]] = {}
        self.dummy = 0  # depth of sequences whose content is replaced as a whole

    def note(self, tag: int, value: bytes) -> None:
        """A clean top level value; b'' where nothing stays."""
        if tag in INDEXED:
            self.values[tag] = value

    def type_of(self, tag: int) -> int:
        """1 or 2 where the SOP Class's modules say so, 3 elsewhere, 0 where nobody knows the class."""
        if self.types is None:
            return 0
        return 1 if tag in self.types[0] else 2 if tag in self.types[1] else 3

    def resolve(self, rule: Rule) -> Action:
        """A rule's action at the top level: a compound one by its Type, looked up once for each SOP Class."""
        action = self.resolved.get(rule)
        if action is None:
            action = overwrite if rule.tag in self.overwritten else rule.action
            if isinstance(action, ByType):
                action = action.actions[self.type_of(rule.tag)]
            if len(self.resolved) >= MEMORY:
                self.resolved.clear()
            self.resolved[rule] = action
        return action

    def uid(self, uid: bytes) -> bytes:
        return _mapped(self.subject.uid_key, uid)


@lru_cache(maxsize=4096)
def _mapped(uid_key: bytes, uid: bytes) -> bytes:
    """Instances of one series share most of their UIDs."""
    return map_uid(uid_key, uid.decode("ascii", "backslashreplace")).encode("ascii")
