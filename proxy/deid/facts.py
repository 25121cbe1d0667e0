"""The original values that the caller needs before anything is changed: to find route, project and person."""

from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.deid.charsets import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.deid.stream import Token

_FIELDS: Final = {
    0x00100020: "patient_id", 0x00100021: "issuer", 0x00100010: "patient_name", 0x0020000D: "study_uid",
    0x0020000E: "series_uid", 0x00080018: "sop_instance_uid", 0x00080016: "sop_class_uid",
    0x00080060: "modality", 0x00080050: "accession_number", 0x00080005: "charset",
    0x00280301: "burned_in_annotation", 0x00080008: "image_type", 0x00080064: "conversion_type",
    0x00280008: "frames", 0x00080070: "manufacturer", 0x00081090: "model", 0x0008103E: "series_description",
    0x00200052: "frame_uid", 0x00480010: "specimen_label",
}  # fmt: skip
FACT_TAGS: Final = frozenset(_FIELDS)
_CHARSET: Final = 0x00080005
_BLANK: Final = b" \0\t\r\n"


class Facts(NamedTuple):
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
    frame_uid: str = ""
    specimen_label: str = ""

    def __repr__(self) -> str:
        return "Facts(...)"


_TAGS: Final = tuple(next(tag for tag, name in _FIELDS.items() if name == field) for field in Facts._fields)


def gather(buf: bytes, standing: "Mapping[int, Token]") -> Facts:
    """From the keen tokens of the top level."""
    charset = _raw(buf, standing.get(_CHARSET))
    values = []
    for tag in _TAGS:
        token = standing.get(tag)
        value = _raw(buf, token) if token else b""
        values.append(decode(value, charset).strip() if value else "")
    return Facts(*values)


def _raw(buf: bytes, token: "Token | None") -> bytes:
    return b"" if token is None or token[4] else buf[token[2] : token[3]].strip(_BLANK)
