"""What is given to whoever asks for images with C-GET or C-MOVE, as values (PS3.4 C.4.2, C.4.3)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom.uid import UID

from proxy.network.contexts import PATIENT_ROOT_GET, PATIENT_ROOT_MOVE, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from proxy.network.peer import Peer
from proxy.network.quiet import hush

PATIENT, STUDY, SERIES, IMAGE = "PATIENT", "STUDY", "SERIES", "IMAGE"
KEYS: Final = {
    PATIENT: "PatientID",
    STUDY: "StudyInstanceUID",
    SERIES: "SeriesInstanceUID",
    IMAGE: "SOPInstanceUID",
}
"""The unique key of each level (PS3.4 C.6.1.1, C.6.2.1)."""
PATIENT_ROOT, STUDY_ROOT = tuple(KEYS), (STUDY, SERIES, IMAGE)

GET, MOVE = "C-GET", "C-MOVE"
MODELS: Final = {
    PATIENT_ROOT_MOVE: (PATIENT_ROOT, MOVE),
    PATIENT_ROOT_GET: (PATIENT_ROOT, GET),
    STUDY_ROOT_MOVE: (STUDY_ROOT, MOVE),
    STUDY_ROOT_GET: (STUDY_ROOT, GET),
}
"""SOP Class to its levels and what it does."""

SUCCESS, PENDING, CANCELLED = 0x0000, 0xFF00, 0xFE00
SOME_FAILED, ALL_FAILED = 0xB000, 0xA702
NOT_AUTHORISED, DESTINATION_UNKNOWN = 0x0124, 0xA801
IDENTIFIER_MISMATCH, CANNOT_PROCESS, OUT_OF_RESOURCES = 0xA900, 0xC000, 0xA700

MOST_UIDS = 10_000
hush()


@dataclass(frozen=True, slots=True, repr=False)
class Wish:
    """At its level the keys may be several UIDs; those above are one each, and may be left out.

    They may be identities, and are not shown.
    """

    level: str
    keys: Mapping[str, tuple[str, ...]]
    issuer: str = ""
    to: str | None = None  # the AE title of a C-MOVE


def read_wish(sop_class: str, identifier: Any, to: str | None) -> Wish | int:
    """What is asked for, or the status that says why it cannot be meant."""
    levels, _ = MODELS[sop_class]
    level = str(getattr(identifier, "QueryRetrieveLevel", "") or "").strip()
    if level not in levels:
        return IDENTIFIER_MISMATCH
    wanted = levels[: levels.index(level) + 1]
    keys = {KEYS[one]: _values(identifier, KEYS[one]) for one in wanted}
    given = {key: values for key, values in keys.items() if values}
    if KEYS[level] not in given or sum(map(len, given.values())) > MOST_UIDS:
        return IDENTIFIER_MISMATCH
    if any(len(values) > 1 for key, values in given.items() if key in (KEYS[PATIENT], *_above(level))):
        return IDENTIFIER_MISMATCH
    if any(not _is_key(key, value) for key, values in given.items() for value in values):
        return IDENTIFIER_MISMATCH
    issuer = str(getattr(identifier, "IssuerOfPatientID", "") or "").strip()
    return Wish(level, given, issuer, to)


def _above(level: str) -> tuple[str, ...]:
    return tuple(KEYS[one] for one in PATIENT_ROOT[: PATIENT_ROOT.index(level)])


def _values(identifier: Any, keyword: str) -> tuple[str, ...]:
    value = getattr(identifier, keyword, None)
    found = [value] if value is None or isinstance(value, str) else list(value)
    return tuple(dict.fromkeys(str(one).strip(" \0") for one in found if one))


def _is_key(keyword: str, value: str) -> bool:
    """No wildcards: a retrieval names what it wants."""
    if keyword != KEYS[PATIENT]:
        return bool(UID(value).is_valid)
    return len(value) <= 64 and not any(one in value for one in "*?\\")


class Withheld(Exception):
    """This one cannot be given now; its sub-operation fails."""


@dataclass(frozen=True, slots=True)
class Restored:
    """An image as it came, made while it is sent; nothing of it is written. `pieces` raises Withheld.

    They are good until the next image is restored.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    pieces: Iterable[bytes | memoryview]

    def __repr__(self) -> str:
        return "Restored(...)"


@dataclass(frozen=True, slots=True)
class Offer:
    """A stored image; `restore`, where there is one, makes what is given in its place, and raises Withheld."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    path: Path
    restore: Callable[[], Restored] | None = None


@dataclass(slots=True)
class Tally:
    """The counts of a retrieval's sub-operations."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warned: int = 0

    def ended(self) -> None:
        """Nothing more is offered: what was counted before and has gone meanwhile was not given."""
        self.failed += max(self.remaining, 0)
        self.remaining = 0

    def final(self) -> int:
        if not self.failed and not self.warned:
            return SUCCESS
        return SOME_FAILED if self.completed or self.warned else ALL_FAILED


@dataclass(frozen=True, slots=True)
class Selection:
    """What a wish means. `pairs` are all (SOP Class, transfer syntax) there are; `peer` is whom a C-MOVE brings them.

    `over` is told how it ended.
    """

    count: int
    offers: Iterator[Offer]
    pairs: tuple[tuple[str, str], ...] = ()
    peer: Peer | None = None
    over: Callable[[Tally], None] = lambda tally: None
