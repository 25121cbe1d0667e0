"""What a C-FIND asks and what is answered, as values (PS3.4 C.4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.network.identifier import Element, Key

PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
FIND_CLASSES: Final = frozenset({PATIENT_ROOT_FIND, STUDY_ROOT_FIND})

SUCCESS, PENDING, PENDING_LESS, CANCELLED = 0x0000, 0xFF00, 0xFF01, 0xFE00
CLASS_NOT_SUPPORTED, NOT_AUTHORISED = 0x0122, 0x0124
OUT_OF_RESOURCES, IDENTIFIER_MISMATCH, CANNOT_PROCESS = 0xA700, 0xA900, 0xC000


@dataclass(frozen=True, slots=True)
class Extended:
    """What was agreed on besides (PS3.4 C.5.1.1)."""

    relational: bool = False
    combined: bool = False  # date and time are matched as one


def agreed(wanted: bytes) -> tuple[Extended, bytes]:
    """Of the bytes that a requestor proposes: what holds, and the answer, which is as long (Table C.5-1)."""
    flags = [number < 2 and byte == 1 for number, byte in enumerate(wanted[:16])]
    first, second = (*flags, False, False)[:2]
    return Extended(first, second), bytes(flags)


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """The keys may be identities."""

    sop_class: str
    keys: Mapping[int, Key]
    extended: Extended = Extended()


@dataclass(frozen=True, slots=True, repr=False)
class Match:
    """`less`: an optional key of the query is not supported, so it was not matched or is not answered."""

    elements: tuple[Element, ...]
    less: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of a query that is not Success. The comment goes to the peer: no value of a key is in it."""

    status: int
    comment: str
