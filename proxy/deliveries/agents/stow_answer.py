"""Read the answer to a Store transaction (PS3.18 10.5.3 and I.2): what became of each instance, as JSON or XML.

An answer that cannot be read says nothing about any instance; nobody is taken to be stored because of it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

REFERENCED, FAILED = "00081199", "00081198"
UID, REASON = "00081155", "00081197"


@dataclass(frozen=True, slots=True)
class Said:
    """SOP Instance UIDs that are stored, and those that failed with their Failure Reason (None: it says none)."""

    stored: frozenset[str] = frozenset()
    failed: Mapping[str, int | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.stored or self.failed)


def read(body: bytes) -> Said:
    """By its first character, not by its Content-Type: servers mislabel."""
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    try:
        data_set = _from_xml(text) if text.startswith(b"<") else _from_json(text)
    except (ValueError, TypeError, AttributeError, RecursionError, ElementTree.ParseError):
        return Said()
    failed = dict(_failed(data_set.get(FAILED, [])))
    stored = {str(item[UID][0]) for item in data_set.get(REFERENCED, []) if item.get(UID)}
    return Said(frozenset(stored - failed.keys()), failed)


def _failed(items: "list[_Item]") -> Iterator[tuple[str, int | None]]:
    for item in items:
        if item.get(UID):
            yield str(item[UID][0]), _number(item.get(REASON, []))


def _number(values: list[Any]) -> int | None:
    try:
        return int(values[0])
    except (IndexError, ValueError, TypeError):
        return None


_Item = dict[str, list[Any]]
_DataSet = dict[str, list[_Item]]  # only the sequences that we read, and their items' values by tag


def _from_json(text: bytes) -> _DataSet:
    """PS3.18 F.2; some servers put the one data set into a list."""
    found = json.loads(text)
    data_set = found[0] if isinstance(found, list) and found else found
    return {tag: [_json_item(item) for item in _values(data_set, tag)] for tag in (REFERENCED, FAILED)}


def _json_item(item: Any) -> _Item:
    return {tag: _values(item, tag) for tag in (UID, REASON)}


def _values(data_set: Any, tag: str) -> list[Any]:
    element = data_set.get(tag) or {}
    return list(element.get("Value") or [])


def _from_xml(text: bytes) -> _DataSet:
    """PS3.19 A.1, the Native DICOM Model. No document type: what it could define, we do not want."""
    if b"<!" in text:
        raise ValueError
    root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there are no entities
    return {tag: [_xml_item(item) for item in _xml_items(root, tag)] for tag in (REFERENCED, FAILED)}


def _xml_items(root: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    for attribute in _children(root, "DicomAttribute"):
        if attribute.get("tag", "").upper() == tag:
            yield from _children(attribute, "Item")


def _xml_item(item: ElementTree.Element) -> _Item:
    found: _Item = {}
    for attribute in _children(item, "DicomAttribute"):
        values = [(value.text or "").strip() for value in _children(attribute, "Value")]
        found[attribute.get("tag", "").upper()] = values
    return found


def _children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """With or without the name space."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)
