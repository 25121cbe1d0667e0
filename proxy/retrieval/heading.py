"""What a data set says that it is: SOP Class and Instance UID, which stand near its beginning in every one.

Most data sets are walked here, because for a retrieval this is done with every image; pydicom reads the rare ones,
which are deflated, big endian, or hold a sequence so early.
"""

import zlib
from io import BytesIO
from struct import Struct
from typing import Final

from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

HEAD: Final = 1 << 14
"""So much of it is looked at: what stands before SOP Instance UID is short."""
_SOP_CLASS: Final = b"\x08\x00\x16\x00"
_SOP_INSTANCE: Final = b"\x08\x00\x18\x00"
_AFTER: Final = 0x00080018
_GROUP_8: Final = b"\x08\x00"
_SHORT: Final = frozenset({b"UL", b"CS", b"DA", b"TM", b"DT", b"UI", b"LO", b"SH", b"ST", b"US"})
_short_length: Final = Struct("<H").unpack_from
_long_length: Final = Struct("<I").unpack_from


def sop_of(start: bytes, syntax: str) -> tuple[str, str]:
    """Raises whatever pydicom stumbles over in a data set that never was right."""
    if syntax not in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        found = _walked(start, syntax == ImplicitVRLittleEndian)
        if found is not None:
            return found
    return _read(start, syntax)


def _walked(start: bytes, implicit: bool) -> tuple[str, str] | None:
    """None where something stands before them that is not as plain as what usually does."""
    at, sop_class = 0, b""
    while start[at : at + 2] == _GROUP_8 and at + 8 <= len(start):
        tag = start[at : at + 4]
        if implicit:
            (length,) = _long_length(start, at + 4)
        elif start[at + 4 : at + 6] in _SHORT:
            (length,) = _short_length(start, at + 6)
        else:
            return None
        value = start[at + 8 : at + 8 + length]
        if tag == _SOP_INSTANCE:
            return _texts(sop_class, value)
        if tag == _SOP_CLASS:
            sop_class = value
        at += 8 + length
    return None


def _texts(sop_class: bytes, sop_instance: bytes) -> tuple[str, str] | None:
    one, other = sop_class.rstrip(b"\0 "), sop_instance.rstrip(b"\0 ")
    if not _is_uid(one) or not _is_uid(other):
        return None
    return one.decode("ascii"), other.decode("ascii")


def _is_uid(value: bytes) -> bool:
    return value.replace(b".", b"").isdigit() and len(value) <= 64


def _read(start: bytes, syntax: str) -> tuple[str, str]:
    known = UID(syntax)
    if syntax == DeflatedExplicitVRLittleEndian:
        start = zlib.decompressobj(-15).decompress(start, HEAD)
    head = read_dataset(
        BytesIO(start[:HEAD]),
        known.is_implicit_VR,
        known.is_little_endian,
        stop_when=lambda tag, vr, length: tag > _AFTER,
    )
    return str(head.SOPClassUID), str(head.SOPInstanceUID)
