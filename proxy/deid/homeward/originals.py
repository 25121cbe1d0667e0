"""What seals know of the originals: which UID was which, which dates were moved, and what stood at the study's level.

Nothing is guessed. A UID of ours comes from the original's by the keyed function. That a date was moved, and not
removed or replaced, is proved by the checksum of the clean bytes that the seal keeps.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.deid import seal
from proxy.deid.actions import moved_date
from proxy.deid.charsets import decode, encode
from proxy.deid.context import Subject
from proxy.deid.errors import DeidError, WrongSeal
from proxy.deid.homeward.acting import values
from proxy.deid.homeward.lookup import PATIENT_ID, STUDY_LEVEL
from proxy.deid.homeward.mentions import scanned, top_level
from proxy.deid.homeward.parts import Parts
from proxy.deid.identifiers import map_uid
from proxy.deid.rules import Rule
from proxy.deid.seal import CHARSET, Opened, Piece
from proxy.deid.splice import make_element

_LEAST: Final = 8  # bytes of an element; what is shorter corrects a length
_ITEM: Final = b"\xfe\xff\x00\xe0"
_PSEUDONYMS: Final = (0x00100010, 0x00100020)
_ISSUER, _QUALIFIERS = 0x00100021, 0x00100024  # of the Patient ID


@dataclass(frozen=True, slots=True, repr=False)
class Level:
    """The study's level of one original: its elements as they were encoded."""

    elements: Mapping[int, bytes]
    explicit: bool
    charset: bytes
    is_whole: bool  # what is not among them, the original did not say


@dataclass(frozen=True, slots=True, repr=False)
class Originals:
    """Of all images that a result refers to: ours to the original's. Dates are eight digits."""

    uids: dict[bytes, bytes] = field(default_factory=dict)
    dates: dict[bytes, bytes] = field(default_factory=dict)


def learn(originals: Originals, sealed: bytes, subject: Subject) -> Opened:
    """Add the UIDs and dates of one image. Raises WrongSeal."""
    opened = seal.read(sealed)
    for piece in opened.pieces:
        if piece.size and len(piece.original) >= _LEAST and not piece.original.startswith(_ITEM):
            _learn(originals, piece, opened.explicit, subject)
    return opened


def _learn(originals: Originals, piece: Piece, explicit: bool, subject: Subject) -> None:
    leaves = list(_leaves(piece.original, explicit))
    for rule, value in leaves:
        if rule.written == "UI":
            for uid in values(value):
                ours = map_uid(subject.uid_key, uid.decode("ascii", "backslashreplace"))
                originals.uids[ours.encode("ascii")] = uid
    if len(leaves) == 1 and leaves[0][0].written in ("DA", "DT"):
        originals.dates.update(_moved_dates(*leaves[0], piece.checksum, subject.shift_days))


def _moved_dates(rule: Rule, value: bytes, checksum: int, days: int) -> Mapping[bytes, bytes]:
    """Ours to the original's, in eight digits; none if the clean element is not this one moved."""
    before = values(value)
    after = [moved_date(part, days) or b"" for part in before]
    ours = make_element(rule.tag, rule.vr, b"\\".join(after), rule.explicit)
    if zlib.crc32(ours) != checksum:
        return {}
    return {one[:8]: other[:8] for one, other in zip(after, before, strict=True) if one}


def _leaves(elements: bytes, explicit: bool) -> Iterator[tuple[Rule, bytes]]:
    """Of an original as it came; what nobody could read then, nobody has referred to."""
    try:
        scan = scanned(elements, explicit)
    except DeidError:
        return
    for rule, _, start, end, link in scan.tokens:
        if not link:
            yield rule, elements[start:end]


def level_of(opened: Opened, clean: Parts | None, subject: Subject) -> Level:
    """The study's level of the original: what the seal brings back, and of the clean image what it left as it was.

    Raises WrongSeal if `clean` is not the image that was sealed.
    """
    if clean is not None and seal.fingerprint(clean.header) != opened.mark:
        raise WrongSeal("the seal belongs to another object")
    found = _standing(clean.header, clean.explicit) if clean and clean.explicit == opened.explicit else {}
    for tag in _PSEUDONYMS:
        if subject.pseudonym.encode("ascii") in found.get(tag, b""):
            del found[tag]  # the seal has what stood there; if it has not, nothing did
    for piece in opened.pieces:
        if not piece.path and len(piece.original) >= _LEAST and not piece.original.startswith(_ITEM):
            found |= _standing(piece.original, opened.explicit)
    return Level(found, opened.explicit, opened.extras.get(CHARSET, b""), clean is not None)


def renamed(level: Level, patient_id: str, issuer: str) -> Level | None:
    """The same under another Patient ID; of another issuer where the original names one. None: its character set
    cannot say this."""
    own = level.elements.get(_ISSUER, b"")
    said = {PATIENT_ID: patient_id} | ({_ISSUER: issuer} if own and issuer else {})
    values = {tag: encode(text, level.charset) for tag, text in said.items()}
    if any(decode(values[tag], level.charset) != text for tag, text in said.items()):
        return None
    made = {tag: make_element(tag, "LO", value, level.explicit) for tag, value in values.items()}
    gone = {_QUALIFIERS} if made.get(_ISSUER, own) != own else set()
    stays = {tag: element for tag, element in level.elements.items() if tag not in gone}
    return replace(level, elements=stays | made)


def _standing(elements: bytes, explicit: bool) -> dict[int, bytes]:
    try:
        scan = scanned(elements, explicit)
    except DeidError:
        return {}
    return {
        rule.tag: elements[start:end] for rule, start, _, end, _ in top_level(scan) if rule.tag in STUDY_LEVEL
    }
