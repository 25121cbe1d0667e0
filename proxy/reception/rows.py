"""From the engine's clean values to the rows of the index: decode, cut to length, nothing else."""

from collections.abc import Mapping

from pydicom.charset import convert_encodings, decode_bytes

from proxy.network.identifier import Key
from proxy.studies import nested

NESTED = 0  # instead of a length: a sequence
STUDY = {
    "birth_date": (0x00100030, 8),
    "sex": (0x00100040, 16),
    "date": (0x00080020, 8),
    "time": (0x00080030, 16),
    "accession": (0x00080050, 64),
    "description": (0x00081030, 255),
    "study_id": (0x00200010, 64),
    "issuer": (0x00100021, 64),
    "referring": (0x00080090, 255),
    "age": (0x00101010, 4),
    "patient_size": (0x00101020, 16),
    "patient_weight": (0x00101030, 16),
    "timezone": (0x00080201, 16),
    "procedure_codes": (0x00081032, NESTED),
}
SERIES = {
    "modality": (0x00080060, 16),
    "number": (0x00200011, 16),
    "date": (0x00080021, 8),
    "time": (0x00080031, 16),
    "description": (0x0008103E, 255),
    "body_part": (0x00180015, 16),
    "laterality": (0x00200060, 16),
    "performed_date": (0x00400244, 8),
    "performed_time": (0x00400245, 16),
    "performed_id": (0x00400253, 16),
    "protocol": (0x00181030, 64),
    "institution": (0x00080080, 64),
    "manufacturer": (0x00080070, 64),
    "model": (0x00081090, 64),
    "station": (0x00081010, 16),
    "anatomic_region": (0x00082218, NESTED),
    "request_attributes": (0x00400275, NESTED),
}
PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
FRAME_UID = 0x00200052
SOP_CLASS, INSTANCE_NUMBER, CHARACTER_SET = 0x00080016, 0x00200013, 0x00080005
PIXEL_ROWS, PIXEL_COLUMNS, BITS, FRAMES = 0x00280010, 0x00280011, 0x00280100, 0x00280008

Values = Mapping[int, bytes]


def plain(values: Values, tag: int) -> str:
    """A value of the default repertoire: UIDs, numbers, codes."""
    return values.get(tag, b"").decode("latin-1").strip(" \0")


def number(values: Values, tag: int) -> str:
    """Of the one that its two bytes are (US)."""
    value = values.get(tag, b"")
    return str(int.from_bytes(value, "little")) if len(value) == 2 else ""


def columns(values: Values, wanted: Mapping[str, tuple[int, int]], *, implicit: bool) -> dict[str, str]:
    """`implicit`: how the items of sequences are encoded."""
    encodings = _encodings(values)
    return {
        name: _decoded(values.get(tag, b""), encodings)[:most] if most else _nested(values, tag, implicit)
        for name, (tag, most) in wanted.items()
    }


def _nested(values: Values, tag: int, implicit: bool) -> str:
    key = Key(tag, "SQ", values.get(tag, b""), is_sequence=True, implicit=implicit)
    return nested.packed(nested.read(key, nested.SEQUENCES[tag], values.get(CHARACTER_SET, b"")))


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
