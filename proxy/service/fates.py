"""What becomes of the files of a request, and in which words that is said. A reason holds no identity."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from proxy.deid import DeidError, HeldError, Hold
from proxy.deid.cleaning import IsDirectory, NotDicom
from proxy.service.unzipping import BrokenArchive, BrokenMember
from proxy.vault.pseudonyms import Forgotten, Nameless

CLEAN, BURNED_IN, HELD, REFUSED = "clean", "burned-in", "held", "refused"
NOT_DICOM, DIRECTORY = "not DICOM", "DICOMDIR"


class Incomplete(Exception):
    """The sender's fault: it does not say which study, series and instance it is."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one file. `name` is the sender's under a key of theirs; `entry` is where it lies in the ZIP."""

    number: int  # from 1, in the order in which they came
    kind: str
    reason: str = ""
    entry: str = ""
    name: str = ""

    def said(self) -> dict[str, Any]:
        found = {"number": self.number, "fate": self.kind, "reason": self.reason, "entry": self.entry}
        return {key: value for key, value in {**found, "name": self.name}.items() if value}


@dataclass(slots=True)
class Fates:
    """Of all files. `processed`, `failed` and `burned_in` add up to as many as there were."""

    all: list[Fate] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, fate: Fate) -> None:
        self.all.append(fate)
        self.kinds[fate.kind] += 1

    @property
    def processed(self) -> int:
        return self.kinds[CLEAN]

    @property
    def burned_in(self) -> int:
        return self.kinds[BURNED_IN]

    @property
    def failed(self) -> int:
        return len(self.all) - self.processed - self.burned_in


class HasCounts(Protocol):
    """All files of a request, or the row of a job that remembers them."""

    @property
    def processed(self) -> int: ...

    @property
    def failed(self) -> int: ...

    @property
    def burned_in(self) -> int: ...


def counts(of: HasCounts) -> dict[str, int]:
    """As the audit, the report, a job and its webhook say them."""
    return {"processed": of.processed, "failed": of.failed, "burned_in": of.burned_in}


def token(secret: str, name: str) -> str:
    """HMAC-SHA256 of a file's name under the key that the customer showed: they can say which file it was, and nobody
    else can try names out. Empty for a file without a name."""
    if not name:
        return ""
    return hmac.new(secret.encode(), _encoded(name), hashlib.sha256).hexdigest()


def _encoded(name: str) -> bytes:
    """Bytes that are no text as they came (PEP 383); else whatever a sender spells, half a character too."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")


# --- what went wrong ----------------------------------------------------------------------------------

_KNOWN: Final[Sequence[tuple[type[Exception], str, str]]] = (
    (NotDicom, NOT_DICOM, "This is no DICOM file."),
    (IsDirectory, DIRECTORY, "A DICOMDIR names persons; it is never passed."),
    (Nameless, REFUSED, "It names neither a patient nor a study."),
    (Incomplete, REFUSED, "A UID of study, series or instance is missing."),
    (Forgotten, REFUSED, "Its person is being forgotten; send it again."),
    (EOFError, REFUSED, "The archive ends before it is whole."),
)


def fate_of(error: Exception) -> tuple[str, str]:
    """(kind, reason). Raises it again if it is no trouble of this one file."""
    for known, kind, reason in _KNOWN:
        if isinstance(error, known):
            return kind, reason
    if isinstance(error, HeldError):
        return _held(error.clean.holds)
    if isinstance(error, DeidError):
        return REFUSED, f"{type(error).__name__}: {error}"
    if isinstance(error, BrokenMember | BrokenArchive):
        return REFUSED, str(error)
    raise error


def _held(holds: Sequence[Hold]) -> tuple[str, str]:
    first = next((hold for hold in holds if hold.code == "burned-in"), holds[0])
    return (BURNED_IN if first.code == "burned-in" else HELD), first.reason
