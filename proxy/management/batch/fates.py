"""What becomes of the files of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CLEAN, HELD, REFUSED, NOT_DICOM = "clean", "held", "refused", "not DICOM"
DIRECTORY: Final = "DICOMDIR"
UNDONE: Final = "not done"
KINDS: Final = (CLEAN, HELD, REFUSED, DIRECTORY, NOT_DICOM, UNDONE)
BAD: Final = frozenset((HELD, REFUSED))


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one file. The reason is a sentence without identity."""

    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Uids:
    """Where a clean image belongs: pseudonym and new UIDs, as they stand in it."""

    patient: str
    study: str
    series: str
    instance: str


@dataclass(frozen=True, slots=True)
class Done:
    """One file as a worker hands it back; `part` is the clean file without a name."""

    number: int  # from 1, in the order of the batch
    fate: Fate
    size: int = 0
    part: Path | None = None
    uids: Uids | None = None
    row: bytes = field(default=b"", repr=False)  # for the map, sealed unless it is to be plain
    changes: Mapping[tuple[int, str], int] = field(default_factory=dict)
    beside: bool = False  # another file with this UID and other content had the name
