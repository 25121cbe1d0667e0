"""Difficult peers, and what we do differently for them. A node names its quirks; without any, nothing changes.

THE table: the site file's words, the admin's choices and docs/operations.md are held against it.
"""

from collections.abc import Mapping
from typing import Final

SMALL_PDU: Final = "small-pdu"
ONE_IMAGE: Final = "one-image-per-association"
NO_EXTENDED: Final = "no-extended-negotiation"
NO_CLASS: Final = "no-sop-class"
ABORT_ON_CANCEL: Final = "abort-on-cancel"

QUIRKS: Final[Mapping[str, str]] = {
    SMALL_PDU: "PDUs of at most 16,384 bytes both ways, whatever it announces: it says more than it can take.",
    ONE_IMAGE: "A new association for each image: it takes only the first, or files by association.",
    NO_EXTENDED: "No extended negotiation: it breaks off at items it does not know, so what it proposes of them"
    " is not answered, and we propose none.",
    NO_CLASS: "A C-STORE without Affected SOP Class UID is taken to be of the class of its presentation context.",
    ABORT_ON_CANCEL: "When we stop early, the association is aborted: it answers neither a cancel nor a release.",
}
SMALL: Final = 16_384  # bytes


def pdu_limit(wanted: int, quirks: frozenset[str]) -> int:
    """Bytes; 0 is no limit."""
    if SMALL_PDU not in quirks:
        return wanted
    return min(wanted, SMALL) if wanted else SMALL
