"""Whom and what an object speaks of: read once, without decoding more than UIDs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.deid.dictionary import REGISTERED_UIDS
from proxy.deid.errors import TooLarge
from proxy.deid.homeward.acting import BLANK, UID, values
from proxy.deid.homeward.lookup import (
    LOOKUP,
    MAY_NAME,
    PATIENT_ID,
    SERIES_UID,
    SOP_CLASS,
    SOP_UID,
    STUDY_UID,
)
from proxy.deid.homeward.parts import Parts
from proxy.deid.parts import fail_closed
from proxy.deid.stream import Scan

if TYPE_CHECKING:
    from proxy.deid.stream import Token

_MOST: Final = 1_000_000  # elements that are looked at
_LONGEST: Final = 64  # of a UID (PS3.5 9.1)
_LONGEST_TEXT: Final = 1 << 12  # more is no list of UIDs


@dataclass(frozen=True, slots=True, repr=False)
class Mentions:
    """`uids` are all that stand anywhere in it, but for its own SOP Instance UID and those that DICOM registers."""

    sop_class: str
    uid: str
    series: str
    study: str
    patient: str
    uids: frozenset[str]


def mentions(parts: Parts) -> Mentions:
    """Raises Unreadable."""
    scans = [scanned(part, parts.explicit) for part in (parts.header, parts.trailer)]
    head = {rule.tag: scans[0].buf[start:end] for rule, _, start, end, _ in top_level(scans[0])}

    def own(tag: int) -> str:
        return head.get(tag, b"").strip(BLANK).decode("latin-1")

    uid = own(SOP_UID)
    found = frozenset(one for scan in scans for one in _uids(scan)) - {uid}
    return Mentions(own(SOP_CLASS), uid, own(SERIES_UID), own(STUDY_UID), own(PATIENT_ID), found)


class _Few(list["Token"]):
    """As many as fit into a bounded part of memory: an element of eight bytes costs two hundred here."""

    def append(self, token: "Token") -> None:
        if len(self) >= _MOST:
            raise TooLarge(f"more than {_MOST} elements in the header of a result")
        super().append(token)


class _Bounded(Scan):
    __slots__ = ()

    def _begin(self, buf: bytes) -> None:
        super()._begin(buf)
        self.tokens = _Few()


def scanned(part: bytes, explicit: bool) -> Scan:
    scan = _Bounded(LOOKUP, explicit)
    with fail_closed:
        scan.run(part)
    return scan


def _uids(scan: Scan) -> Iterator[str]:
    buf = scan.buf
    for rule, _, start, end, link in scan.tokens:
        if link:
            continue
        if rule.written == "UI" or (rule.written in MAY_NAME and end - start <= _LONGEST_TEXT):
            for part in values(buf[start:end]):
                if len(part) <= _LONGEST and part not in REGISTERED_UIDS and UID.fullmatch(part):
                    yield part.decode("ascii")


def top_level(scan: Scan) -> Iterator["Token"]:
    """Of the elements that are looked at those that stand at the top."""
    index, tokens = 0, scan.tokens
    while index < len(tokens):
        yield tokens[index]
        index = tokens[index][4] or index + 1
