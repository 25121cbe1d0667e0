"""Read the answer to a Store transaction (PS3.18 10.5.3 and I.2): what became of each instance, as JSON or XML.

An answer that cannot be read says nothing about any instance; nobody is taken to be stored because of it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

REFERENCED, FAILED, OTHERS = "00081199", "00081198", "0008119A"
SEQUENCES = (REFERENCED, FAILED, OTHERS)
UID, REASON = "00081155", "00081197"


@dataclass(frozen=True, slots=True)
class Said:
    """SOP Instance UIDs that are stored, and those that failed with their Failure Reason (None: it says none).

    `nameless`: reasons of failures without a UID, as of what the service could not even read.
    """

    stored: frozenset[str] = frozenset()
    failed: Mapping[str, int | None] = field(default_factory=dict)
    nameless: tuple[int | None, ...] = ()

    def names(self, uid: str) -> bool:
        return uid in self.stored or uid in self.failed


def read(body: bytes) -> Said:
    """By its first character, not by its Content-Type: servers mislabel."""
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    try:
        data_set = _from_xml(text) if text.startswith(b"<") else _from_json(text)
    except (ValueError, TypeError, AttributeError, RecursionError, ElementTree.ParseError):
        return Said()
    failures = [(_uid(item), _number(item.get(REASON, []))) for item in data_set[FAILED] + data_set[OTHERS]]
    failed = {uid: reason for uid, reason in failures if uid}
    stored = {_uid(item) for item in data_set[REFERENCED]} - {""}
    nameless = tuple(reason for uid, reason in failures if not uid)
    return Said(frozenset(stored - failed.keys()), failed, nameless)


def _uid(item: "_Item") -> str:
    values = item.get(UID) or [""]
    return str(values[0])


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
    return {tag: [_json_item(item) for item in _values(data_set, tag)] for tag in SEQUENCES}


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
    return {tag: [_xml_item(item) for item in _xml_items(root, tag)] for tag in SEQUENCES}


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
