"""Content items of structured reports under the Clean Structured Content Option (PS3.15 E.3.4, Table E.3.4-1).

The table speaks of concept name and value type, not of tags. What it says X of leaves the tree with all below it,
unless items are referred to by their position (then it gets a dummy, so that no reference points elsewhere); what it
says D of, or X/D, gets a dummy value; what an option keeps or cleans goes the way of its value's attribute, like
everything the table does not list: text is cleaned and hunted, names are replaced, UIDs mapped, dates follow the
recipe, codes and numbers stay.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.deid import actions
from proxy.deid.needles import ID, PHRASE
from proxy.deid.rules import ITEM, Action
from proxy.deid.tables import content_items

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token

CONTENT_SEQUENCE: Final = 0x0040A730
VALUE_TYPE: Final = 0x0040A040
CONCEPT_NAME: Final = 0x0040A043
SEEN: Final = frozenset(
    (VALUE_TYPE, CONCEPT_NAME)
)  # the scanner must bring these, or nobody knows what an item is
_CODE, _SCHEME = 0x00080100, 0x00080102
_VALUES: Final = frozenset(
    (0x0040A120, 0x0040A121, 0x0040A122, 0x0040A123, 0x0040A160, 0x0040A168, 0x0040A300)
)
_TEXT: Final = 0x0040A160
_BY_POSITION: Final = b"\x40\x00\x73\xdb"  # (0040,DB73) Referenced Content Item Identifier
_PADDING: Final = b" \0"
_UID: Final = 0x0040A124
_VISIT, _KEEP, _DUMMY, _DROP = "visit", "keep", "dummy", "drop"


class Concept(NamedTuple):
    """What an item is about."""

    scheme: str
    code: str
    value_type: str


def content(options: frozenset[str]) -> Action:
    """What happens to a Content Sequence."""

    def act(splice: "Splice", token: "Token") -> None:
        if token[4]:
            _tree(splice, token, options)

    return act


def _tree(splice: "Splice", token: "Token", options: frozenset[str]) -> None:
    fates = _fates(splice, splice.at + 1, token[4], options)
    if not all(fate == _DROP for fate in fates.values()):
        splice.walk(token, lambda at, end: _item(splice, at, end, fates[at]))
    elif splice.depth:
        splice.drop(token)
    else:
        actions.dummy(splice, token)  # a report has content


def _fates(splice: "Splice", first: int, last: int, options: frozenset[str]) -> dict[int, str]:
    """Of the items between these tokens, by index."""
    tokens, fates = splice.tokens, {}
    drop = _DUMMY if _BY_POSITION in splice.buf else _DROP
    while first < last:
        end = tokens[first][4]
        fate = decide(concept(splice.buf, tokens, first + 1, end), options)
        fates[first] = drop if fate == _DROP else fate
        first = end
    return fates


def _item(splice: "Splice", at: int, end: int, fate: str) -> bool:
    """The item whose token is tokens[at]; its children end before tokens[end]."""
    if fate == _DROP:
        splice.dropped.append(CONTENT_SEQUENCE)
        splice.replace(splice.tokens[at][1], splice.tokens[at][3], b"")
        return False
    if fate == _VISIT:
        splice.visit(at + 1, end)
    else:
        _visit_but(splice, at + 1, end, fate)
    return True


def decide(about: Concept, options: frozenset[str]) -> str:
    """'visit', 'keep' (a UID), 'dummy' or 'drop' (Table E.3.4-1)."""
    row = content_items().get(about)
    if row is None:
        return _VISIT
    if any(row.get(option) for option in options):
        return _KEEP if about.value_type == "UIDREF" else _VISIT
    if about.value_type in ("UIDREF", "COMPOSITE", "IMAGE", "WAVEFORM") and row["basic"] != "X":
        return _VISIT  # a mapped UID is the dummy
    return _DROP if row["basic"] == "X" else _DUMMY


def _visit_but(splice: "Splice", first: int, last: int, fate: str) -> None:
    """Visit the children of an item, but for its value."""
    tokens = splice.tokens
    while first < last:
        tag, after = tokens[first][0].tag, tokens[first][4] or first + 1
        if fate == _DUMMY and tag in _VALUES:
            splice.at = first
            _value(splice, tokens[first])
        elif fate != _KEEP or tag != _UID:
            splice.visit(first, after)
        first = after


def _value(splice: "Splice", token: "Token") -> None:
    """A dummy; a code or a number, of which only X is said, is emptied instead."""
    if token[0].written == "SQ":
        actions.empty(splice, token)
    else:
        actions.dummy(splice, token)


def concept(buf: bytes, tokens: "Sequence[Token]", first: int, last: int) -> Concept:
    """From the tokens of one item's children; empty strings where nothing is said."""
    value_type, name = "", ("", "")
    while first < last:
        rule, _, value, end, link = tokens[first]
        if rule.tag == VALUE_TYPE:
            value_type = _text(buf[value:end])
        elif rule.tag == CONCEPT_NAME and link:
            name = _code(buf, tokens, first + 1, link)
        first = link or first + 1
    return Concept(*name, value_type)


def _code(buf: bytes, tokens: "Sequence[Token]", first: int, last: int) -> tuple[str, str]:
    """(scheme, code) of the first item of a code sequence."""
    found: dict[int, str] = {}
    for rule, _, value, end, link in tokens[first:last]:
        if rule is not ITEM and not link:
            found.setdefault(rule.tag, _text(buf[value:end]))
    return found.get(_SCHEME, ""), found.get(_CODE, "")


def _text(value: bytes) -> str:
    return value[:64].strip(_PADDING).decode("latin-1")


def removed_values(
    buf: bytes, tokens: "Sequence[Token]", options: frozenset[str]
) -> Iterator[tuple[str, bytes]]:
    """(kind, value) of text items that identify and do not stay: they are hunted elsewhere, too."""
    for index, (rule, _, _, _, link) in enumerate(tokens):
        if rule is not ITEM or not link:
            continue
        about = concept(buf, tokens, index + 1, link)
        row = content_items().get(about)
        if (
            row
            and about.value_type == "TEXT"
            and "clean-descriptors" not in row
            and decide(about, options) != _VISIT
        ):
            for value in _texts(buf, tokens, index + 1, link):
                yield (PHRASE if b" " in value.strip(_PADDING) else ID), value


def _texts(buf: bytes, tokens: "Sequence[Token]", first: int, last: int) -> Iterator[bytes]:
    while first < last:
        rule, _, value, end, link = tokens[first]
        if rule.tag == _TEXT:
            yield buf[value:end]
        first = link or first + 1
