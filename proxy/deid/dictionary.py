"""What PS3.6 knows: the VR, keyword and repeating groups of each attribute, and the registered UIDs."""

from functools import cache
from typing import Final

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._uid_dict import UID_dictionary

# Attributes whose UIDs name classes, syntaxes, schemes and contexts: kept by tag (DESIGN 5)
_NAMING: Final = (
    "ClassUID", "ClassUIDs", "SyntaxUID", "SyntaxUIDs", "CodingSchemeUID", "ContextUID", "MappingResourceUID",
    "ContextGroupExtensionCreatorUID", "ClassesSupported", "ClassesInStudy", "ClassesInPatient",
)  # fmt: skip

REGISTERED_UIDS: Final = frozenset(uid.encode() for uid in UID_dictionary)
KEYWORDS: Final[dict[str, int]] = {entry[4]: tag for tag, entry in DicomDictionary.items() if entry[4]}
NAMING_TAGS: Final = frozenset(
    tag for tag, entry in DicomDictionary.items() if entry[0] == "UI" and entry[4].endswith(_NAMING)
)


@cache
def _repeaters() -> dict[tuple[str, str], str]:
    return {
        (mask[:2], mask[4:]): entry[0] for mask, entry in RepeatersDictionary.items() if mask[2:4] == "xx"
    }


def vr_of(tag: int) -> str:
    """The dictionary's VR ('' if PS3.6 does not know the tag); of several possible ones OW, else the first."""
    entry = DicomDictionary.get(tag)
    if entry:
        return "OW" if "OW" in entry[0] else str(entry[0])[:2]
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else ""
    text = f"{tag:08X}"
    return _repeaters().get((text[:2], text[4:]), "")[:2]


def keyword_of(tag: int) -> str:
    entry = DicomDictionary.get(tag)
    return str(entry[4]) if entry else ""


def is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)
