"""Which SOP classes we take in and in which transfer syntaxes, and which ones we propose when we send.

A site names groups (`default`, `all`), UIDs or keywords. Whatever it says, a Media Storage Directory and Raw
Data stay out: the one is an index of files, the other a vendor's black box that no rule can clean.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from pydicom.uid import UID_dictionary
from pynetdicom import ALL_TRANSFER_SYNTAXES
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, build_context

from proxy.network.finding import FIND_CLASSES

VERIFICATION = "1.2.840.10008.1.1"
PUSH_MODEL = "1.2.840.10008.1.20.1"  # storage commitment
PATIENT_ROOT_MOVE, PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_MOVE, STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
RETRIEVAL = (PATIENT_ROOT_MOVE, PATIENT_ROOT_GET, STUDY_ROOT_MOVE, STUDY_ROOT_GET)
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
PLAIN_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
NEVER_ACCEPTED = frozenset({MEDIA_STORAGE_DIRECTORY, RAW_DATA})
MOST_CONTEXTS = 128  # context ids are the odd numbers of one byte (PS3.8 9.3.2.2)

_STORAGE = "1.2.840.10008.5.1.4.1.1."
DEFAULT_CLASSES: tuple[str, ...] = tuple(
    _STORAGE + suffix
    for suffix in (
        *("2", "2.1", "2.2"),  # CT, Enhanced CT, Legacy Converted Enhanced CT
        *("128", "130", "128.1"),  # PET, Enhanced PET, Legacy Converted Enhanced PET
        *("4", "4.1", "4.2", "4.3", "4.4"),  # MR, Enhanced MR, Spectroscopy, Enhanced Color, Legacy Converted
        *("66.4", "66.5", "66.7", "66.8", "481.3"),  # segmentations, RT Structure Set
        *("88.59", "11.1", "11.2", "11.3", "11.4"),  # Key Object Selection, presentation states
        *("11.6", "11.7", "11.8", "11.12"),
        *("66.1", "66.2", "66.3", "30", "67"),  # registrations, fiducials, parametric map, real world values
        *("88.11", "88.22", "88.33", "88.34", "88.35", "88.67", "88.68"),  # structured reports
    )
)

TRANSFER_SYNTAXES: tuple[str, ...] = (
    *PLAIN_SYNTAXES,
    *(str(uid) for uid in ALL_TRANSFER_SYNTAXES if uid not in PLAIN_SYNTAXES),
)
PLAIN_SERVICES = frozenset({VERIFICATION, PUSH_MODEL, *RETRIEVAL}) | FIND_CLASSES
"""Those that carry no images, so that compression means nothing to them."""
_KNOWN_SYNTAXES = frozenset(TRANSFER_SYNTAXES)


def _all_classes() -> tuple[str, ...]:
    known = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    return tuple(sorted((known | set(DEFAULT_CLASSES)) - NEVER_ACCEPTED))


ALL_CLASSES: tuple[str, ...] = _all_classes()
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_BY_KEYWORD = {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and entry[4]}


def accepted_classes(wanted: Iterable[str]) -> tuple[str, ...]:
    """The SOP class UIDs that these groups, UIDs and keywords name. Raises ValueError with a sentence."""
    found = dict.fromkeys(uid for word in wanted for uid in _named(word.strip()))
    return tuple(uid for uid in found if uid not in NEVER_ACCEPTED)


def _named(word: str) -> tuple[str, ...]:
    groups = {"default": DEFAULT_CLASSES, "all": ALL_CLASSES}
    if word in groups:
        return groups[word]
    uid = _BY_KEYWORD.get(word, word)
    if not _UID.fullmatch(uid) or len(uid) > 64:
        raise ValueError(f"'{word}' is neither a group (default, all) nor a SOP class by keyword or UID.")
    return (uid,)


def supported_contexts() -> tuple[PresentationContext, ...]:
    """What pynetdicom wants to be told; what we answer a caller is `negotiating`'s to say."""
    return (build_context(VERIFICATION, list(PLAIN_SYNTAXES)),)


def taken_syntaxes(sop_class: str) -> Collection[str]:
    """In which ones this class may come, if it may."""
    return PLAIN_SYNTAXES if sop_class in PLAIN_SERVICES else _KNOWN_SYNTAXES


def rounds(wanted: Iterable[tuple[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    """(class, transfer syntax) pairs in as many groups as associations are needed to propose them all."""
    groups: list[tuple[tuple[str, str], ...]] = []
    current: list[tuple[str, str]] = []
    for pair in dict.fromkeys(wanted):
        if _needed([*current, pair]) > MOST_CONTEXTS:
            groups.append(tuple(current))
            current = []
        current.append(pair)
    return [*groups, tuple(current)] if current else groups


def proposals(pairs: Sequence[tuple[str, str]]) -> list[PresentationContext]:
    """A context for each pair, and for each class a plain one to fall back to when its syntax is refused."""
    classes = dict.fromkeys(sop_class for sop_class, _ in pairs)
    wanted = [(sop_class, (syntax,)) for sop_class, syntax in pairs] + [
        (uid, PLAIN_SYNTAXES) for uid in classes
    ]
    return [build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in wanted]


def _needed(pairs: Sequence[tuple[str, str]]) -> int:
    return len(pairs) + len({sop_class for sop_class, _ in pairs})
