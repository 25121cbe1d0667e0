"""What a sequence says, as a short text in one column: of its first items the attributes listed here, and nothing else.

A text is empty where the sequence is, or is not there. Texts are JSON: a list of items, each a value by keyword, where
the value of a sequence is a list of items again. An attribute that an item does not have is left out.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Union

from proxy.deid.charsets import decode
from proxy.network import identifier
from proxy.network.identifier import Key
from proxy.network.messages import Malformed

MOST_ITEMS: Final = 20
LONGEST: Final = 255  # characters of a value
MOST_TEXT: Final = 16_384  # characters of a column

Items = list[dict[str, Union[str, "Items"]]]


@dataclass(frozen=True, slots=True)
class Part:
    """An attribute within an item. `parts` of a sequence."""

    keyword: str
    tag: int
    vr: str
    parts: "tuple[Part, ...]" = ()


CODE: Final = (
    Part("CodeValue", 0x00080100, "SH"),
    Part("CodingSchemeDesignator", 0x00080102, "SH"),
    Part("CodingSchemeVersion", 0x00080103, "SH"),
    Part("CodeMeaning", 0x00080104, "LO"),
    Part("LongCodeValue", 0x00080119, "UC"),
    Part("URNCodeValue", 0x00080120, "UR"),
)
REQUEST: Final = (
    Part("AccessionNumber", 0x00080050, "SH"),
    Part("StudyInstanceUID", 0x0020000D, "UI"),
    Part("RequestedProcedureDescription", 0x00321060, "LO"),
    Part("RequestedProcedureCodeSequence", 0x00321064, "SQ", CODE),
    Part("ScheduledProcedureStepDescription", 0x00400007, "LO"),
    Part("ScheduledProtocolCodeSequence", 0x00400008, "SQ", CODE),
    Part("ScheduledProcedureStepID", 0x00400009, "SH"),
    Part("RequestedProcedureID", 0x00401001, "SH"),
)
SEQUENCES: Final[Mapping[int, tuple[Part, ...]]] = {
    0x00081032: CODE,  # ProcedureCodeSequence
    0x00082218: CODE,  # AnatomicRegionSequence
    0x00400275: REQUEST,  # RequestAttributesSequence
}
"""By the sequence's tag."""

Inner = Callable[[Part, Key], Items]


def read(key: Key, parts: tuple[Part, ...], charset: bytes) -> Items:
    """From its bytes; nothing where they cannot be read."""
    try:
        found = identifier.items(key)[:MOST_ITEMS]
    except Malformed:
        return []
    return [values(item, parts, charset) for item in found]


def values(keys: tuple[Key, ...], parts: tuple[Part, ...], charset: bytes) -> dict[str, str | Items]:
    """Of one item, or of some of its elements."""
    by_tag = {key.tag: key for key in keys}
    said = [(one, by_tag[one.tag]) for one in parts if one.tag in by_tag]
    return {
        one.keyword: read(key, one.parts, charset) if one.parts else text(key.value, charset)
        for one, key in said
    }


def text(value: bytes, charset: bytes) -> str:
    return decode(value[: 4 * LONGEST], charset).replace("\0", "").strip()[:LONGEST]


def packed(items: Items) -> str:
    """Of more than fits, the first items."""
    text_ = json.dumps(items, ensure_ascii=False, separators=(",", ":")) if items else ""
    return text_ if len(text_) <= MOST_TEXT else packed(items[:-1])


def unpacked(column: str) -> Items:
    found: Items = json.loads(column) if column else []
    return found
