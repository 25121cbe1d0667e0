"""What became of each instance, and in which words a Store transaction says so (PS3.18 10.5.3 and I.2). Pure.

The UIDs are those of the sender, who knows no others. What was stored has been coerced: it has lost its names, which
the warning says (B000); where it can be retrieved is not said, because the sender could not ask for it by its own UIDs.
Failure Reasons are the statuses of C-STORE.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree

from proxy.api.problems import Problem
from proxy.network.statuses import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, SUCCESS

COERCED: Final = 0xB000
SYNTAX_NOT_SUPPORTED: Final = 0xC122
RETRY_AFTER: Final = 30.0  # seconds
REFERENCED, FAILED, OTHERS = "00081199", "00081198", "0008119A"
KEYWORDS: Final = {
    REFERENCED: "ReferencedSOPSequence",
    FAILED: "FailedSOPSequence",
    OTHERS: "OtherFailuresSequence",
    "00081150": "ReferencedSOPClassUID",
    "00081155": "ReferencedSOPInstanceUID",
    "00081196": "WarningReason",
    "00081197": "FailureReason",
}
_UID: Final = re.compile(r"[!-~]{1,64}")
"""Some that come are no UIDs by the letter; their senders know them by these all the same."""
_Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fate:
    """Without a UID: it could not be read which instance it is. `is_coerced`: it was stored without its names."""

    status: int
    sop_class: str = ""
    uid: str = ""
    is_coerced: bool = True

    @property
    def is_stored(self) -> bool:
        return self.status == SUCCESS

    @property
    def is_named(self) -> bool:
        return all(_UID.fullmatch(one) for one in (self.sop_class, self.uid))


UNREADABLE: Final = Fate(CANNOT_UNDERSTAND)


def nothing() -> Problem:
    return Problem(400, "nothing", "There is no instance in the request.")


def status_of(fates: Sequence[Fate]) -> int:
    """Of the answer, where there is at least one fate (PS3.18 table 10.5.3-1)."""
    stored = [fate for fate in fates if fate.is_stored]
    if stored:
        return 200 if len(stored) == len(fates) else 202
    return 503 if all(fate.status & 0xFF00 == OUT_OF_RESOURCES for fate in fates) else 409


def module_of(fates: Iterable[Fate]) -> dict[str, Any]:
    """Store Instances Response Module, as a DICOM JSON model."""
    found: dict[str, list[_Item]] = {REFERENCED: [], FAILED: [], OTHERS: []}
    for fate in fates:
        where = REFERENCED if fate.is_stored else FAILED if fate.is_named else OTHERS
        found[where].append(_item(fate))
    return {tag: {"vr": "SQ", "Value": items} for tag, items in sorted(found.items()) if items}


def _item(fate: Fate) -> _Item:
    said: _Item = {}
    if fate.is_named:
        said["00081150"] = {"vr": "UI", "Value": [fate.sop_class]}
        said["00081155"] = {"vr": "UI", "Value": [fate.uid]}
    if not fate.is_stored:
        said["00081197"] = {"vr": "US", "Value": [fate.status]}
    elif fate.is_coerced:
        said["00081196"] = {"vr": "US", "Value": [COERCED]}
    return said


# --- XML ------------------------------------------------------------------------------------------


def as_xml(module: dict[str, Any]) -> bytes:
    """The Native DICOM Model (PS3.19 A.1)."""
    root = ElementTree.Element("NativeDicomModel", {"xml:space": "preserve"})
    _attributes(root, module)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _attributes(parent: ElementTree.Element, data_set: dict[str, Any]) -> None:
    for tag, element in data_set.items():
        said = {"tag": tag, "vr": element["vr"], "keyword": KEYWORDS[tag]}
        attribute = ElementTree.SubElement(parent, "DicomAttribute", said)
        for number, value in enumerate(element["Value"], 1):
            numbered = {"number": str(number)}
            if isinstance(value, dict):
                _attributes(ElementTree.SubElement(attribute, "Item", numbered), value)
            else:
                ElementTree.SubElement(attribute, "Value", numbered).text = str(value)
