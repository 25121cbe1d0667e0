"""A recipe, compiled: for every tag and VR one Rule. Made once, shared by all threads, filled as it meets tags."""

from collections.abc import Iterator, Mapping
from typing import Final

from proxy.deid import actions
from proxy.deid.content import CONTENT_SEQUENCE, SEEN, content
from proxy.deid.context import INDEXED, MEMORY
from proxy.deid.custom import Function, custom
from proxy.deid.dictionary import NAMING_TAGS, is_private, vr_of
from proxy.deid.errors import Unreadable
from proxy.deid.facts import FACT_TAGS
from proxy.deid.masks import PIXEL_TAGS
from proxy.deid.needles import KINDS, NAME
from proxy.deid.private import private_action
from proxy.deid.recipe import Line, Recipe
from proxy.deid.rules import (
    ACT,
    BULK,
    DELIMITER,
    GONE,
    KEEN,
    LONG,
    OVERLAY_BIT,
    SEQUENCE,
    Action,
    Rule,
    drop,
    nothing,
    tag_number,
)
from proxy.deid.shapes import Shapes
from proxy.deid.splice import LONG_VRS
from proxy.deid.tables import profile

SHORT_VRS: Final = frozenset(
    (
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FL",
        "FD",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "US",
    )
)
PIXELS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
WORDS: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"))
# Defined terms that other attributes depend on: no person has ever been named in them
STRUCTURE: Final = frozenset(
    (
        0x00080005,
        0x00080060,
        0x0040A010,
        0x0040A040,
        0x0040A050,
        0x00280004,
        0x00280301,
        0x00700023,
        0x00080101,
    )
)
FREE: Final = frozenset(
    ("LO", "LT", "SH", "ST", "UC", "UN", "UR", "UT")
)  # where anything may have been typed
# Codes are numbers by nature: the person's own values are hunted in them, patterns are not
CODED: Final = frozenset((0x00080100, 0x00080102, 0x00080103, 0x00080119, 0x00080120, 0x00080115, 0x0008010C))
BINARY: Final = frozenset(("OB", "OW", "OF", "OD", "OL", "OV"))
NUMERIC: Final = frozenset(("AS", "DS", "IS", "TM", "DA", "DT"))
TIMES: Final = frozenset(("DA", "DT", "TM"))

_NAMES: Final = {
    "X": "delete", "Z": "empty", "D": "replace", "K": "keep", "C": "clean", "U": "replace_UID",
    "X/Z": "delete_or_empty", "X/D": "delete_or_replace", "Z/D": "empty_or_replace",
    "X/Z/D": "delete_or_empty_or_replace", "X/Z/U": "delete_or_empty_or_replace_UID",
}  # fmt: skip
# Actions after which the original value still stands: hunting it elsewhere would contradict the recipe
_STAY: Final = frozenset(("keep", "words", "clean", "opaque", "nothing", "numeric", "private"))
MARKS: Final = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))
# The table's letter is Z or Z/D for these; we always say who it is now
_PSEUDONYMS: Final = frozenset((0x00100010, 0x00100020))


class Choice:
    """What a recipe decided for an attribute, before the VR is known."""

    __slots__ = ("arguments", "basic", "name", "source")

    def __init__(
        self, name: str, source: str, arguments: tuple[str, ...] = (), basic: str = "delete_or_empty"
    ) -> None:
        self.name = name
        self.source = source  # 'rule', 'table', 'option', 'default'
        self.arguments = arguments
        self.basic = basic


class Plan:
    """The Lookup of one recipe."""

    def __init__(
        self, recipe: Recipe, hunting: bool = False, functions: Mapping[int, Function] | None = None
    ) -> None:
        self.recipe = recipe
        self._functions = functions or {}
        self.hunting = hunting  # the slow, second look: every text wants to be seen
        self._table = profile(recipe.edition) if recipe.edition else {}
        self._private = private_action(recipe)
        self._structured = "clean-structured-content" in recipe.options
        self._facts = FACT_TAGS | PIXEL_TAGS if recipe.gate("burned-in") == "mask" else FACT_TAGS
        self._exact: dict[int, Line] = {}
        self._masks: list[Line] = []
        self._paths: dict[int, list[Line]] = {}
        for line in recipe.lines:
            tag = line.target.tag
            if line.target.creator:
                continue
            if line.target.path:
                self._paths.setdefault(int(line.target.mask, 16), []).append(line)
                continue
            if tag is None:
                self._masks.append(line)
            else:
                self._exact[tag] = line
        self.explicit: dict[bytes, Rule] = {}
        self.implicit: dict[bytes, Rule] = {}
        self.shapes = (Shapes(), Shapes())

    @property
    def drops_private(self) -> bool:
        """Whether no private element can stay."""
        return self._private is drop and self.recipe.unknown == "remove" and not self._functions

    # What a recipe decides

    def choose(self, tag: int, vr: str) -> Choice:
        return next(self._choices(tag, vr))

    def _choices(self, tag: int, vr: str) -> Iterator[Choice]:
        line = self._exact.get(tag) or next((line for line in self._masks if line.target.matches(tag)), None)
        basic = _NAMES[self._code(tag).get("basic", "X/Z/D")]
        if tag in MARKS and self.recipe.marks:
            yield Choice("drop", "default")
        if line:
            yield Choice(line.action, "rule", line.arguments, basic)
        if not self.recipe.edition:
            yield Choice("keep", "default")
        if tag in _PSEUDONYMS:
            yield Choice("pseudonym", "table")
        if tag & 0xFFFF == 0 or tag == 0xFFFCFFFC:
            yield Choice("drop", "default")
        if is_private(tag):
            yield Choice("private", "default")
        if tag >> 24 in (0x50, 0x60):
            yield Choice(
                "drop", "table"
            )  # drawn letters cannot be cleaned, and without its bits nothing is described
        row = self._code(tag)
        if row:
            yield from self._by_table(row, vr, basic)
        yield self._by_default(tag, vr)

    def _code(self, tag: int) -> dict[str, str]:
        text = f"{tag:08X}"
        row = self._table.get(text)
        if row is None and text[:2] in ("50", "60"):
            row = self._table.get("50XXXXXX" if text[:2] == "50" else "60XX" + text[4:])
        return dict(row or {})

    def _by_table(self, row: dict[str, str], vr: str, basic: str) -> Iterator[Choice]:
        wanted = {option: row[option] for option in self.recipe.options if option in row}
        if self.recipe.dates == "year" and "full-dates" in row and vr in TIMES:
            yield Choice("year_only", "option")
        if "modified-dates" in wanted:
            yield Choice("shift_date" if vr != "SQ" else "walk", "option", basic=basic)
        if "C" in wanted.values() and (vr == "SQ" or vr in WORDS):
            yield Choice("clean", "option")
        if "K" in wanted.values():
            yield Choice(self._kept(vr), "option")
        yield Choice(_NAMES[row["basic"]], "table")

    @staticmethod
    def _kept(vr: str) -> str:
        """Option K, or nothing said: only the person's own values are hunted."""
        if vr == "SQ":
            return "walk"
        return (
            "words" if vr in WORDS else "opaque" if vr in BINARY else "numeric" if vr in NUMERIC else "keep"
        )

    def _by_default(self, tag: int, vr: str) -> Choice:
        known = vr_of(tag)
        if not known and self.recipe.unknown == "remove":
            return Choice("drop", "default")
        if known in TIMES or vr in TIMES:
            return self._by_default_time()
        if tag in STRUCTURE:
            return Choice("keep", "default")
        if "UI" in (known, vr):
            return Choice(
                "keep" if tag in NAMING_TAGS or "uids" in self.recipe.options else "replace_UID", "default"
            )
        if "PN" in (known, vr) or known in ("AE", "UR"):
            return Choice("delete_or_empty_or_replace", "default")
        return Choice("clean" if vr in FREE and tag not in CODED else self._kept(vr), "default")

    def _by_default_time(self) -> Choice:
        if self.recipe.dates == "year":
            return Choice("year_only", "option")
        if "full-dates" in self.recipe.options:
            return Choice("keep", "option")
        if "modified-dates" in self.recipe.options:
            return Choice("shift_date", "option")
        return Choice("delete_or_empty_or_replace", "default")

    # What the scanner asks

    def learn_explicit(self, key: bytes, pos: int) -> Rule:
        tag, vr = tag_number(key), key[4:].decode("latin-1")
        if tag == 0xFFFEE00D:
            rule = DELIMITER
        elif vr in SHORT_VRS or vr in LONG_VRS:
            rule = self._rule(tag, vr, True)
        else:
            raise Unreadable(f"no VR that PS3.5 knows at offset {pos}")
        if len(self.explicit) >= MEMORY:
            self.explicit.clear()
        self.explicit[key] = rule
        return rule

    def learn_implicit(self, key: bytes, pos: int) -> Rule:
        tag = tag_number(key)
        if tag == 0xFFFEE00D:
            rule = DELIMITER
        elif tag >> 16 == 0xFFFE:
            raise Unreadable(f"an item where an element belongs at offset {pos}")
        else:
            rule = self._rule(tag, vr_of(tag) or "UN", False)
        if len(self.implicit) >= MEMORY:
            self.implicit.clear()
        self.implicit[key] = rule
        return rule

    def as_sequence(self, rule: Rule) -> Rule:
        """The rule of an element that turned out to be a sequence."""
        return self._rule(rule.tag, rule.vr, rule.explicit, written="SQ")

    def opaque(self, rule: Rule) -> Rule:
        """The rule of a sequence hidden in UN that is none: it goes."""
        action = drop if self.recipe.edition else nothing
        return Rule(rule.tag, rule.vr, "UN", ACT | LONG, rule.explicit, action, action)

    def _rule(self, tag: int, vr: str, explicit: bool, written: str = "") -> Rule:
        written = written or (vr if vr != "UN" else vr_of(tag) or "UN")
        choice = self.choose(tag, written)
        if tag in self._functions:
            top = nested = custom(self._functions[tag])
        elif choice.name == "private":
            top = nested = self._private
        elif tag == CONTENT_SEQUENCE and self._structured and choice.source == "option":
            top = nested = content(self.recipe.options)
        else:
            top, nested = actions.make(choice.name, written, choice.arguments, choice.basic)
        for line in self._paths.get(tag, ()):
            nested = actions.by_path(
                line.target.path, actions.make(line.action, written, line.arguments)[1], nested
            )
        hunt = "" if choice.name in _STAY else NAME if written == "PN" else KINDS.get(tag, "")
        keen = bool(hunt) or tag in self._facts or tag in MARKS or tag & 0xFF00FFFF == OVERLAY_BIT
        rule = Rule(
            tag, vr, written, self._bits(tag, vr, written, explicit, top, nested, keen), explicit, top, nested
        )
        rule.hunt, rule.indexed = hunt, tag in INDEXED
        return rule

    def _bits(
        self, tag: int, vr: str, written: str, explicit: bool, top: Action, nested: Action, keen: bool
    ) -> int:
        code = self._shape(tag, vr, written, explicit)
        if keen:
            return code | ACT | KEEN
        if not code and top is nested is drop:
            return GONE
        if tag in self._paths or (self.hunting and written in WORDS):
            return code | ACT
        seen = self.hunting or top not in (actions.words, actions.opaque, actions.numeric)
        plain = top in (actions.walk, nothing) or (top is actions.keep and tag not in INDEXED)
        wanted = tag in INDEXED or tag in KINDS or tag in CODED or (self._structured and tag in SEEN)
        if (wanted and written != "SQ") or tag in INDEXED:
            return code | ACT
        return code if plain or not seen else code | ACT

    @staticmethod
    def _shape(tag: int, vr: str, written: str, explicit: bool) -> int:
        """What the scanner must know to follow the bytes."""
        long = LONG if explicit and vr in LONG_VRS else 0
        if written == "SQ":
            return long | SEQUENCE
        return long | BULK if tag in PIXELS else long
