"""From the engine's clean values to the rows of the index: decode, cut to length, nothing else."""

from collections.abc import Mapping

from pydicom.charset import convert_encodings, decode_bytes

STUDY = {
    "birth_date": (0x00100030, 8),
    "sex": (0x00100040, 16),
    "date": (0x00080020, 8),
    "time": (0x00080030, 16),
    "accession": (0x00080050, 64),
    "description": (0x00081030, 255),
    "study_id": (0x00200010, 64),
}
SERIES = {
    "modality": (0x00080060, 16),
    "number": (0x00200011, 16),
    "date": (0x00080021, 8),
    "time": (0x00080031, 16),
    "description": (0x0008103E, 255),
    "body_part": (0x00180015, 16),
}
PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
FRAME_UID = 0x00200052
SOP_CLASS, INSTANCE_NUMBER, CHARACTER_SET = 0x00080016, 0x00200013, 0x00080005

Values = Mapping[int, bytes]


def plain(values: Values, tag: int) -> str:
    """A value of the default repertoire: UIDs, numbers, codes."""
    return values.get(tag, b"").decode("latin-1").strip(" \0")


def columns(values: Values, wanted: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    encodings = _encodings(values)
    return {name: _decoded(values.get(tag, b""), encodings)[:most] for name, (tag, most) in wanted.items()}


def _encodings(values: Values) -> list[str]:
    names = plain(values, CHARACTER_SET).split("\\")
    try:
        return list(convert_encodings([name.strip() for name in names]))
    except (LookupError, UserWarning):
        return ["latin-1"]


def _decoded(value: bytes, encodings: list[str]) -> str:
    if value.isascii() and b"\x1b" not in value:
        text = value.decode("ascii")
    else:
        text = decode_bytes(value, encodings, {0x0D, 0x0A, 0x09, 0x0C, 0x5C})
    return text.replace("\0", "").strip()
