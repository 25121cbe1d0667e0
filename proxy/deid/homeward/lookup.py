"""What of a result is looked at: UIDs, dates, text and what may hide them, at every depth; and its study's level."""

from typing import Final

from proxy.deid.actions import walk
from proxy.deid.dictionary import NAMING_TAGS, vr_of
from proxy.deid.homeward.acting import date_back, text_back, uid_back
from proxy.deid.plan import Plan
from proxy.deid.recipe import KEEP_ALL
from proxy.deid.rules import ACT, LONG, Action, Rule, drop, nothing

# Patient and study (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2): a result has them as the original study has
STUDY_LEVEL: Final = frozenset(
    (
        0x0020000D, 0x00080020, 0x00080030, 0x00080050, 0x00080051, 0x00080090, 0x00080096, 0x0008009C, 0x0008009D,
        0x00081030, 0x00081032, 0x00081048, 0x00081049, 0x00081060, 0x00081062, 0x00081080, 0x00081084, 0x00081110,
        0x00100010, 0x00100020, 0x00100021, 0x00100022, 0x00100024, 0x00100026, 0x00100030, 0x00100032, 0x00100033,
        0x00100034, 0x00100035, 0x00100040, 0x00100212, 0x00101000, 0x00101001, 0x00101002, 0x00101005, 0x00101010,
        0x00101020, 0x00101021, 0x00101030, 0x00101040, 0x00101060, 0x00102000, 0x00102110, 0x00102154, 0x00102160,
        0x00102180, 0x001021B0, 0x001021C0, 0x001021D0, 0x001021F0, 0x00102203, 0x00104000, 0x00200010, 0x00321033,
        0x00324000, 0x00380010, 0x00380014, 0x00380060, 0x00380062, 0x00380064, 0x00380500, 0x00401012,
    )
)  # fmt: skip
# Type 2 of both: empty where the original says nothing
MUST_STAND: Final = frozenset(
    (
        0x00080020,
        0x00080030,
        0x00080050,
        0x00080090,
        0x00100010,
        0x00100020,
        0x00100030,
        0x00100040,
        0x00200010,
    )
)
# What says that the object is pseudonymous: not true any more
OUR_MARKS: Final = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))
SIGNATURES: Final = frozenset((0xFFFAFFFA, 0x4FFE0001))  # and the parameters of their MACs
CHARSET: Final = 0x00080005
SOP_CLASS, SOP_UID, SERIES_UID, STUDY_UID = 0x00080016, 0x00080018, 0x0020000E, 0x0020000D
PATIENT_ID: Final = 0x00100020

_OWN: Final = STUDY_LEVEL | OUR_MARKS | {CHARSET, SOP_CLASS, SOP_UID, SERIES_UID}
TEXTS: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
MAY_NAME: Final = frozenset(
    ("LO", "LT", "SH", "ST", "UC", "UT", "UN")
)  # where a UID may have been written as text
_ACTIONS: Final = {
    "UI": uid_back, "DA": date_back, "DT": date_back, **dict.fromkeys(TEXTS, text_back), "SQ": walk, "UN": walk,
}  # fmt: skip


class Lookup(Plan):
    """Everything stays, but for what the context of the one who visits says."""

    def _rule(self, tag: int, vr: str, explicit: bool, written: str = "") -> Rule:
        written = written or (vr if vr != "UN" else vr_of(tag) or "UN")
        action = self._action(tag, written)
        seen = ACT if tag in _OWN or action not in (nothing, walk) else 0
        shape = self._shape(tag, vr, "SQ" if written == "UN" else written, explicit)
        return Rule(tag, vr, written, shape | seen, explicit, action, action)

    def _action(self, tag: int, written: str) -> Action:
        if tag & 0xFFFF == 0:
            return drop  # a retired group length, which would not be true any more
        if tag in SIGNATURES:
            return drop  # nor would they
        return nothing if tag in NAMING_TAGS else _ACTIONS.get(written, nothing)

    def opaque(self, rule: Rule) -> Rule:
        """What might have hidden a sequence, and hides none."""
        return Rule(rule.tag, rule.vr, "UN", ACT | LONG, rule.explicit, text_back, text_back)


LOOKUP: Final = Lookup(KEEP_ALL)
