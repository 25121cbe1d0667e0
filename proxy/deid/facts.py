"""The original values that the caller needs before anything is changed: to find route, project and person."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.deid.charsets import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy.deid.stream import Token

_FIELDS: Final = {
    0x00100020: "patient_id", 0x00100021: "issuer", 0x00100010: "patient_name", 0x0020000D: "study_uid",
    0x0020000E: "series_uid", 0x00080018: "sop_instance_uid", 0x00080016: "sop_class_uid",
    0x00080060: "modality", 0x00080050: "accession_number", 0x00080005: "charset",
    0x00280301: "burned_in_annotation", 0x00080008: "image_type", 0x00080064: "conversion_type",
    0x00280008: "frames", 0x00080070: "manufacturer", 0x00081090: "model", 0x0008103E: "series_description",
}  # fmt: skip
FACT_TAGS: Final = frozenset(_FIELDS)


@dataclass(frozen=True, slots=True, repr=False)
class Facts:
    """Never logged: its repr shows nothing."""

    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    study_uid: str = ""
    series_uid: str = ""
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    modality: str = ""
    accession_number: str = ""
    charset: str = ""
    burned_in_annotation: str = ""
    image_type: str = ""
    conversion_type: str = ""
    frames: str = ""
    manufacturer: str = ""
    model: str = ""
    series_description: str = ""

    def __repr__(self) -> str:
        return "Facts(...)"


def top_level(keen: "Sequence[Token]", starts: "Sequence[int]") -> "dict[int, Token]":
    """The keen tokens of the top level by tag; of two with one tag the first."""
    found: dict[int, Token] = {}
    count = len(starts)
    for token in keen:
        index = bisect_left(starts, token[1])
        if index < count and starts[index] == token[1]:
            found.setdefault(token[0].tag, token)
    return found


def gather(buf: bytes, standing: "Mapping[int, Token]") -> Facts:
    """From the keen tokens of the top level."""
    raw = {
        name: buf[token[2] : token[3]].strip(b" \0\t\r\n")
        for tag, name in _FIELDS.items()
        if (token := standing.get(tag)) and not token[4]
    }
    charset = raw.get("charset", b"")
    return Facts(**{name: decode(value, charset).strip() for name, value in raw.items()})
