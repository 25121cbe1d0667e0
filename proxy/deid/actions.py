"""One small function per action of PS3.15 (D Z X K C U and the compound ones) and of the recipes.

An action gets the splice and its token, and calls drop, put, walk, or does nothing, which keeps the bytes.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from proxy.deid.dictionary import REGISTERED_UIDS
from proxy.deid.fitting import longest_searched
from proxy.deid.identifiers import shift_date
from proxy.deid.needles import squeeze
from proxy.deid.rules import Action, ByType, drop, nothing
from proxy.deid.splice import item, make_element, padded
from proxy.deid.text import cut_value

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token

Factory: TypeAlias = Callable[[str, tuple[str, ...]], Action]  # (VR, arguments) -> action

_PADDING: Final = b" \0"
_DUMMY: Final[Mapping[str, bytes]] = {
    "AE": b"ANON", "AS": b"000Y", "CS": b"ANON", "DA": b"19000101", "DS": b"0", "DT": b"19000101000000",
    "IS": b"0", "LO": b"ANONYMIZED", "LT": b"ANONYMIZED", "PN": b"ANONYMIZED", "SH": b"ANONYMIZED",
    "ST": b"ANONYMIZED", "TM": b"000000", "UC": b"ANONYMIZED", "UT": b"ANONYMIZED", "UR": b"urn:anonymized",
    "AT": b"\0\0\0\0", "FL": b"\0" * 4, "FD": b"\0" * 8, "SL": b"\0" * 4, "SS": b"\0" * 2, "UL": b"\0" * 4,
    "US": b"\0" * 2, "SV": b"\0" * 8, "UV": b"\0" * 8, "OB": b"\0\0", "OW": b"\0\0", "OF": b"\0" * 4,
    "OD": b"\0" * 8, "OL": b"\0" * 4, "OV": b"\0" * 8, "UN": b"\0\0",
}  # fmt: skip
# Values that the standard restricts, where "ANON" would not be valid
_DUMMY_OF: Final[Mapping[int, bytes]] = {
    0x00100040: b"O", 0x00080060: b"OT", 0x0040A040: b"TEXT", 0x0040A010: b"CONTAINS",
    0x00380500: b"UNKNOWN", 0x00120062: b"YES",
}  # fmt: skip
_CONTENT_SEQUENCE: Final = 0x0040A730


def _content(explicit: bool) -> bytes:
    """One content item that says nothing: (121106, DCM, "Comment") "ANONYMIZED" (PS3.3 C.17.3)."""
    concept = (
        make_element(0x00080100, "SH", b"121106", explicit)
        + make_element(0x00080102, "SH", b"DCM", explicit)
        + make_element(0x00080104, "LO", b"Comment", explicit)
    )
    return item(
        make_element(0x0040A010, "CS", b"CONTAINS", explicit)
        + make_element(0x0040A040, "CS", b"TEXT", explicit)
        + make_element(0x0040A043, "SQ", item(concept), explicit)
        + make_element(0x0040A160, "UT", b"ANONYMIZED", explicit)
    )


_CONTENT: Final = {explicit: _content(explicit) for explicit in (True, False)}
_TEXTS: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
_OPAQUE: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW"))
_NUMERIC: Final = re.compile(rb"[0-9eE+\-. \\:DWMY\0]*")
_DATE: Final = re.compile(rb"\d{8}(\d\d(\d\d(\d\d(\.\d{1,6})?)?)?)?([+-]\d{4})?")  # DA and DT (PS3.5 6.2)
_TIME: Final = re.compile(rb"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?")
_ITEM: Final = b"\xfe\xff\x00\xe0"


def keep(splice: "Splice", token: "Token") -> None:
    """Keep, and let the index have the value."""
    rule = token[0]
    if rule.indexed and not splice.depth:
        value = splice.buf[token[2] : token[3]]
        splice.context.values[rule.tag] = value if rule.written == "US" else value.strip(_PADDING)


def walk(splice: "Splice", token: "Token") -> None:
    splice.walk(token)


def empty(splice: "Splice", token: "Token") -> None:
    splice.put(token, b"", "empty")


def dummy(splice: "Splice", token: "Token") -> None:
    """D: a value that says nothing, of the same VR; a sequence keeps its shape and loses its words."""
    rule = token[0]
    if rule.written == "UI":
        replace_uid(splice, token)
    elif rule.tag == _CONTENT_SEQUENCE and token[4]:
        splice.put(token, _CONTENT[rule.explicit and rule.vr == "SQ"], "replace")
    elif token[4]:
        splice.context.dummy += 1
        splice.walk(token)
        splice.context.dummy -= 1
    elif rule.written == "SQ":
        empty(splice, token)
    else:
        splice.put(token, _DUMMY_OF.get(rule.tag) or _DUMMY[rule.written], "replace")


drop_top: Final = ByType(
    drop, dummy, empty, drop
)  # X, but where the SOP Class demands it the least that is valid
empty_top: Final = ByType(empty, dummy, empty, empty)


def pseudonym(splice: "Splice", token: "Token") -> None:
    splice.put(token, splice.context.subject.pseudonym.encode("ascii"), "pseudonym")


def replace_uid(splice: "Splice", token: "Token") -> None:
    """U: every UID of the value by the keyed function; classes, syntaxes and registered UIDs stay."""
    if token[4]:
        splice.walk(token)
        return
    value = splice.buf[token[2] : token[3]].strip(_PADDING)
    if b"\\" in value:
        new = b"\\".join(_new_uid(splice, part.strip(_PADDING)) for part in value.split(b"\\"))
    else:
        new = _new_uid(splice, value)
    if value == new:
        keep(splice, token)
    else:
        splice.put(token, new, "replace_UID")


def _new_uid(splice: "Splice", uid: bytes) -> bytes:
    return uid if not uid or uid in REGISTERED_UIDS else splice.context.uid(uid)


def _text(patterns: bool) -> Action:
    """Words that stay. The first visit only lists them (their patterns are looked for in all of them at once);
    a second, hunting visit cuts."""

    def act(splice: "Splice", token: "Token") -> None:
        context = splice.context
        if context.dummy:
            dummy(splice, token)
        elif context.needles is None:
            if patterns:
                splice.texts.append(splice.value(token))
            keep(splice, token)
        else:
            _cut(splice, token, patterns)

    return act


clean = _text(True)
words = _text(False)


def _cut(splice: "Splice", token: "Token", patterns: bool) -> None:
    context, rule, value = splice.context, token[0], splice.value(token)
    new = cut_value(value, context.charset, context.needles, patterns)
    if new == value:
        keep(splice, token)
        return
    context.cuts += 1
    if new or not (splice.depth or context.type_of(rule.tag) == 1):
        splice.put(token, new, "hunt")
    else:
        dummy(splice, token)


def opaque(splice: "Splice", token: "Token") -> None:
    """Binary that stays: it goes as a whole if the person's own values are in it."""
    needles = splice.context.needles
    if needles is not None and needles.strikes(squeeze(splice.value(token))):
        splice.context.cuts += 1
        splice.drop(token)


def number(splice: "Splice", token: "Token") -> None:
    """Numbers written as text, where somebody may have written something else."""
    (keep if _NUMERIC.fullmatch(splice.value(token)) else drop)(splice, token)


def numeric(splice: "Splice", token: "Token") -> None:
    """Numbers written as text stay, unless they are words (seen only in the hunting visit)."""
    if splice.context.needles is None or _NUMERIC.fullmatch(splice.value(token)):
        keep(splice, token)
    else:
        splice.context.cuts += 1
        (empty if splice.depth else empty_top)(splice, token)


def shift(basic: Action) -> Action:
    """DA and the date part of DT move by the person's days; times stay. What is neither goes the basic way: half of a
    range of dates would tell by how many days they moved."""

    def act(splice: "Splice", token: "Token") -> None:
        if token[4]:
            splice.walk(token)
            return
        parts = [part.strip(_PADDING) for part in splice.value(token).split(b"\\")]
        if token[0].written == "TM":
            is_time = all(not part or _TIME.fullmatch(part) for part in parts)
            (keep if is_time else basic)(splice, token)
            return
        moved = [moved_date(part, splice.context.subject.shift_days) for part in parts]
        if None in moved:
            basic(splice, token)
        else:
            splice.put(token, b"\\".join(part or b"" for part in moved), "shift_date")

    return act


def moved_date(value: bytes, days: int) -> bytes | None:
    if not value:
        return b""
    if not _DATE.fullmatch(value):
        return None
    moved = shift_date(value[:8].decode("ascii"), days)
    return None if moved is None else moved.encode("ascii") + value[8:]


def year_only(splice: "Splice", token: "Token") -> None:
    """The year stays (HIPAA Safe Harbor), month and day become the first of January; times go."""
    vr, value = token[0].written, splice.value(token).strip(_PADDING)
    if not value:
        keep(splice, token)
    elif vr == "TM" or not re.match(rb"\d{4}", value):
        empty_top(splice, token) if not splice.depth else empty(splice, token)
    else:
        splice.put(token, value[:4] + b"0101", "year_only")


def age_cap(splice: "Splice", token: "Token") -> None:
    """Ages over 89 years become 090Y."""
    value = splice.value(token).strip(_PADDING)
    match = re.fullmatch(rb"(\d{3})([DWMY])", value)
    if match is None:
        empty(splice, token) if value else keep(splice, token)
    elif match[2] == b"Y" and int(match[1]) > 89:
        splice.put(token, b"090Y", "age_cap")
    else:
        keep(splice, token)


def by_vr(vr: str) -> Action:
    """What happens to a value that stays although no table lists it."""
    if vr == "SQ":
        return walk
    if vr == "UI":
        return replace_uid
    if vr == "UN":
        return unknown
    if vr in ("AS", "DS", "IS", "TM"):
        return number
    return clean if vr in _TEXTS else opaque if vr in _OPAQUE else keep


def unknown(splice: "Splice", token: "Token") -> None:
    """UN of an attribute that the dictionary does not know: text or binary, nobody can tell. One that begins as a
    sequence does is one to other readers, and was not walked."""
    if token[4]:
        splice.walk(token)
    elif splice.value(token)[:4] == _ITEM:
        splice.drop(token)
    else:
        (words if splice.value(token).rstrip(b"\0").isascii() else opaque)(splice, token)


def with_value(vr: str, arguments: tuple[str, ...]) -> Action:
    value = padded(vr, arguments[0].encode("utf-8"))

    def act(splice: "Splice", token: "Token") -> None:
        splice.put(token, value.rstrip(_PADDING), "replace_with_value")

    return act


def regexp(vr: str, arguments: tuple[str, ...]) -> Action:
    """A value too long to be searched in bounded time is emptied."""
    pattern, new = re.compile(arguments[0]), arguments[1]
    longest = longest_searched(arguments[0])

    def act(splice: "Splice", token: "Token") -> None:
        if len(splice.value(token)) > longest:
            (empty if splice.depth else empty_top)(splice, token)
            return
        value = splice.value(token).strip(_PADDING).decode("utf-8", "surrogateescape")
        splice.put(token, pattern.sub(new, value).encode("utf-8", "surrogateescape"), "regexp")

    return act


def allow(vr: str, arguments: tuple[str, ...]) -> Action:
    """Listed values stay, every other is emptied (or made a dummy where one must stand)."""
    listed = frozenset(argument.strip().encode("utf-8") for argument in arguments)

    def act(splice: "Splice", token: "Token") -> None:
        if splice.value(token).strip(_PADDING) in listed:
            keep(splice, token)
        else:
            (empty if splice.depth else empty_top)(splice, token)

    return act


def by_path(path: tuple[int, ...], here: Action, elsewhere: Action) -> Action:
    """A rule that holds only below these sequences."""

    def act(splice: "Splice", token: "Token") -> None:
        (here if splice.sequences() == path else elsewhere)(splice, token)

    return act


def _compound(unknown: Action, type_1: Action, type_2: Action, type_3: Action) -> tuple[Action, Action]:
    """(top level, nested): only at the top level are Types known."""
    return ByType(unknown, type_1, type_2, type_3), unknown


_COMPOUND: Final[Mapping[str, tuple[Action, Action]]] = {
    "delete": (drop_top, drop),
    "empty": (empty_top, empty),
    "empty_or_replace": _compound(dummy, dummy, dummy, empty),
    "delete_or_empty": _compound(empty, dummy, empty, drop),
    "delete_or_replace": _compound(dummy, dummy, dummy, drop),
    "delete_or_empty_or_replace": _compound(dummy, dummy, empty, drop),
    "delete_or_empty_or_replace_UID": (replace_uid, replace_uid),
}
_SIMPLE: Final[Mapping[str, Action]] = {
    "nothing": nothing, "keep": keep, "replace": dummy, "replace_UID": replace_uid, "pseudonym": pseudonym,
    "clean": clean, "words": words, "opaque": opaque, "numeric": numeric, "year_only": year_only,
    "age_cap": age_cap, "walk": walk, "drop": drop,
}  # fmt: skip
_MADE: Final[Mapping[str, Factory]] = {"replace_with_value": with_value, "regexp": regexp, "allow": allow}
_SAME: Final = {"deleteOrEmptyOrReplace": "delete_or_empty_or_replace"}


def make(
    name: str, vr: str, arguments: tuple[str, ...] = (), basic: str = "delete_or_empty"
) -> tuple[Action, Action]:
    """(top level, nested) functions of an action by its name; `basic` is where a malformed date goes."""
    name = _SAME.get(name, name)
    if name == "delete_or_empty" and vr == "SQ":
        return _COMPOUND[name][0], drop  # an optional sequence may not be empty
    if name in _COMPOUND:
        return _COMPOUND[name]
    if name == "shift_date":
        top, nested = make(basic, vr)
        return shift(top), shift(nested)
    action = _MADE[name](vr, arguments) if name in _MADE else _SIMPLE[name]
    if vr == "SQ" and name in ("keep", "clean", "words", "opaque", "numeric"):
        action = walk
    return action, action
