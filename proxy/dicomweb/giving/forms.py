"""In which transfer syntax an image leaves over the web (PS3.18 8.7.3.5)."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

EXPLICIT: Final = str(ExplicitVRLittleEndian)
NEVER: Final = frozenset({str(ImplicitVRLittleEndian), str(ExplicitVRBigEndian)})
"""Not for the web, whatever the caller takes: such an image leaves in explicit little endian."""
PLAIN: Final = NEVER | {EXPLICIT, str(DeflatedExplicitVRLittleEndian)}
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Form:
    """The transfer syntaxes that somebody takes, best first; who names none takes explicit little endian."""

    wanted: tuple[str, ...]

    def of(self, stored: str) -> str | None:
        """None: none of them can be made."""
        for one in self.wanted:
            if one in (ANY, stored) and stored not in NEVER:
                return stored
            if one in ("", ANY, EXPLICIT) and is_decodable(stored):
                return EXPLICIT
        return None


@cache
def is_decodable(stored: str) -> bool:
    """Whether its pixels can be read here."""
    if stored in PLAIN:
        return True
    try:
        return bool(get_decoder(UID(stored)).is_available)
    except NotImplementedError:
        return False
