"""From the query of an address to what is asked (PS3.18 8.3.4, 10.6.1.2): the same keys that a C-FIND would bring.

An address says attributes by keyword or by eight hex digits, attributes within a sequence with a dot between. All of it
becomes an identifier as it would come over the wire, so that there is one reader of queries and not two. Whatever is
not understood is refused with a sentence that names attributes of the standard and never quotes what was sent: to leave
a condition out would answer another question.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from proxy.deid.dictionary import KEYWORDS, keyword_of
from proxy.network import identifier
from proxy.network.finding import STUDY_ROOT_FIND, Extended, Query, Refused
from proxy.network.identifier import Element
from proxy.retrieval.query.attributes import (
    AVAILABILITY,
    BY_KEYWORD,
    BY_TAG,
    IMAGE,
    LEVEL,
    LEVELS,
    PATIENT,
    SAID,
    SERIES,
    STUDY,
    TABLE,
    Attribute,
    is_above,
)
from proxy.retrieval.query.reading import Checked, check
from proxy.studies.nested import Part

MOST_PAIRS: Final = 200
LARGEST: Final = 1_000_000_000  # of offset and limit
_HEX: Final = re.compile(r"[0-9A-Fa-f]{8}")
_LISTS: Final = frozenset({"UI", "CS"})
"""Value representations whose values hold no comma, so that one may stand between two of them (PS3.18 8.3.4.1)."""

ALWAYS: Final[Mapping[str, tuple[str, ...]]] = {
    PATIENT: ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    STUDY: (
        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy",
        "ReferringPhysicianName", "StudyID", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    ),
    SERIES: (
        "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances",
        "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "RequestAttributesSequence",
    ),
    IMAGE: (
        "SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames",
    ),
}  # fmt: skip
"""Answered whether they are asked for or not (PS3.18 Tables 10.6.3-3 to 10.6.3-5), by level."""


class Unclear(Exception):
    """The asker's fault. The text goes to them, and quotes nothing of theirs."""


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """A search that makes sense. `limit` None: as many as we answer at once. `is_fuzzy`: more than we can do."""

    checked: Checked
    offset: int
    limit: int | None
    is_fuzzy: bool


@dataclass(slots=True)
class _Reading:
    level: str
    levels: tuple[str, ...]  # those that are answered
    keys: dict[int, str] = field(default_factory=dict)
    within: dict[int, dict[tuple[int, ...], str]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    is_fuzzy: bool | None = None


def read(level: str, above: Mapping[str, str], query: str) -> Asked:
    """`above`: unique keys that the path names, by keyword; `query` as it stands in the address. Raises Unclear."""
    reading = _Reading(level, _levels(level, above))
    reading.keys.update({BY_KEYWORD[one].tag: "" for each in reading.levels for one in ALWAYS[each]})
    named = {BY_KEYWORD[keyword].tag: value for keyword, value in above.items()}
    _read_pairs(reading, _pairs(query))
    if any(reading.keys.get(tag) for tag in named):
        raise Unclear("The path says already which study or series is meant.")
    reading.keys.update(named)
    checked = check(_query(reading))
    if isinstance(checked, Refused):
        raise Unclear(f"{checked.comment}.")
    return Asked(
        checked, reading.numbers.get("offset", 0), reading.numbers.get("limit"), bool(reading.is_fuzzy)
    )


def _levels(level: str, above: Mapping[str, str]) -> tuple[str, ...]:
    """What the path names is known; of other levels the answers speak too (PS3.18 10.6.3.3)."""
    wanted = [one for one in LEVELS if not is_above(level, one)]
    if "SeriesInstanceUID" in above:
        return (IMAGE,)
    return tuple(one for one in wanted if one not in (PATIENT, STUDY)) if above else tuple(wanted)


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=MOST_PAIRS,
        )
    except ValueError:
        raise Unclear("The query of the address cannot be read, or has too many parts.") from None


def _read_pairs(reading: _Reading, pairs: Iterable[tuple[str, str]]) -> None:
    for name, value in pairs:
        if name in ("limit", "offset"):
            _read_number(reading, name, value)
        elif name == "fuzzymatching":
            _read_fuzzy(reading, value)
        elif name == "includefield":
            _read_included(reading, value)
        elif name in ("emptyvaluematching", "multiplevaluematching"):
            _refuse_unless_false(name, value)
        elif name not in ("accept", "charset"):
            _read_key(reading, name, value)


def _read_number(reading: _Reading, name: str, value: str) -> None:
    if not (value.isascii() and value.isdigit()) or len(value) > 10 or int(value) > LARGEST:
        raise Unclear(f"{name} has to be a whole number, not above {LARGEST}.")
    if name in reading.numbers:
        raise Unclear(f"{name} may be said once.")
    reading.numbers[name] = int(value)


def _refuse_unless_false(name: str, value: str) -> None:
    if value != "false":
        raise Unclear(f"{name} is not supported.")


def _read_fuzzy(reading: _Reading, value: str) -> None:
    if value not in ("true", "false") or reading.is_fuzzy is not None:
        raise Unclear("fuzzymatching has to be true or false, once.")
    reading.is_fuzzy = value == "true"


# --- attributes -----------------------------------------------------------------------------------


def _read_included(reading: _Reading, value: str) -> None:
    """What we do not keep is left out of the answers, as the standard has it."""
    for one in value.split(","):
        if one.strip() == "all":
            tags = [each.tag for each in TABLE if each.level in reading.levels]
        else:
            tags = [_path(one.strip())[0]]
        for tag in tags:
            if (tag in BY_TAG and not is_above(reading.level, BY_TAG[tag].level)) or tag in SAID:
                reading.keys.setdefault(tag, "")


def _path(name: str) -> tuple[int, ...]:
    tags = tuple(_tag(one) for one in name.split("."))
    if len(tags) > identifier.DEEPEST:
        raise Unclear("An attribute lies deeper than any that is kept.")
    return tags


def _tag(name: str) -> int:
    if _HEX.fullmatch(name):
        return int(name, 16)
    if name not in KEYWORDS:
        raise Unclear("An attribute is named by no keyword of the standard and no tag of eight hex digits.")
    return KEYWORDS[name]


def _read_key(reading: _Reading, name: str, value: str) -> None:
    first, *rest = _path(name)
    attribute = _attribute(reading.level, first)
    if bool(attribute.parts) != bool(rest) and value:
        raise Unclear(f"{attribute.keyword} is {'a' if attribute.parts else 'no'} sequence.")
    if not rest:
        _keep(reading.keys, first, _worded(attribute, value), attribute)
        return
    part = _part(attribute, rest)
    reading.keys.setdefault(first, "")
    _keep(reading.within.setdefault(first, {}), tuple(rest), _worded(part, value), part)


def _attribute(level: str, tag: int) -> Attribute:
    found = BY_TAG.get(tag)
    if found is None:
        raise Unclear(
            f"{keyword_of(tag) or 'A private attribute'} is not kept, so nothing can be searched by it."
        )
    if is_above(level, found.level):
        raise Unclear(f"{found.keyword} says something of each {found.level.lower()}: search for these.")
    return found


def _part(attribute: Attribute | Part, rest: Iterable[int]) -> Part:
    found: Attribute | Part = attribute
    for tag in rest:
        part = next((one for one in found.parts if one.tag == tag), None)
        if part is None:
            raise Unclear(f"Of the items of {found.keyword} this attribute is not kept.")
        found = part
    if not isinstance(found, Part) or found.parts:
        raise Unclear(f"{found.keyword} is a sequence.")
    return found


def _worded(attribute: Attribute | Part, value: str) -> str:
    if value and isinstance(attribute, Attribute) and not attribute.matches:
        raise Unclear(f"Nothing can be searched by {attribute.keyword}.")
    if (
        attribute.vr == "US"
        and value
        and not (value.isascii() and value.isdigit() and int(value[:9]) < 1 << 16)
    ):
        raise Unclear(f"{attribute.keyword} has a value that is no number.")
    return value.replace(",", "\\") if attribute.vr in _LISTS else value


def _keep(keys: "dict[int, str] | dict[tuple[int, ...], str]", key: object, value: str, what: object) -> None:
    """Said twice, a list grows; of anything else two values would contradict each other."""
    before = keys.get(key)  # type: ignore[call-overload]
    if before and value:
        attribute = what if isinstance(what, Attribute | Part) else None
        if attribute is None or attribute.vr not in _LISTS:
            raise Unclear(f"{attribute.keyword if attribute else 'It'} may be said once.")
        value = f"{before}\\{value}"
    keys[key] = value or before or ""  # type: ignore[index]


# --- as an identifier -----------------------------------------------------------------------------


def _query(reading: _Reading) -> Query:
    said = [Element(LEVEL, "CS", reading.level), *_elements(reading)]
    data = identifier.encoded(said, implicit=True)
    keys = {one.tag: one for one in identifier.read(data, implicit=True)}
    return Query(STUDY_ROOT_FIND, keys, Extended(relational=True))


def _elements(reading: _Reading) -> Iterator[Element]:
    for tag, value in reading.keys.items():
        if tag in SAID:
            yield Element(tag, SAID[tag], "")
        elif tag in reading.within:
            yield Element(tag, "SQ", "", (_item(BY_TAG[tag].parts, reading.within[tag]),))
        else:
            yield Element(tag, BY_TAG[tag].vr, value)


def _item(parts: tuple[Part, ...], asked: Mapping[tuple[int, ...], str]) -> tuple[Element, ...]:
    """Every part is answered; those that were asked for have a value."""
    return tuple(
        _of_part(one, {path: value for path, value in asked.items() if path[0] == one.tag}) for one in parts
    )


def _of_part(part: Part, asked: Mapping[tuple[int, ...], str]) -> Element:
    inner = {path[1:]: value for path, value in asked.items()}
    if not part.parts:
        return Element(part.tag, part.vr, inner.get((), ""))
    return Element(part.tag, "SQ", "", (_item(part.parts, inner),) if inner else ())


__all__ = ["ALWAYS", "AVAILABILITY", "Asked", "Unclear", "read"]
