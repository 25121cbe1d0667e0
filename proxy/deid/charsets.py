"""Decode and encode text by Specific Character Set (PS3.3 C.12.1.1.2), escapes included.

Nothing here fails or warns: what the declared set cannot read is read another way, because a hunt that gives up
on a wrongly declared text would let a name through.
"""

import re
from functools import lru_cache
from typing import Final

from pydicom.charset import CODES_TO_ENCODINGS, ENCODINGS_TO_CODES, python_encoding

_ESCAPE: Final = re.compile(rb"(\x1b[\x20-\x2f]+[\x30-\x7e])")
_LATIN: Final = "latin-1"
_OWN_ESCAPES: Final = frozenset(("iso2022_jp", "iso2022_jp_2"))  # Python's codecs want to see these


@lru_cache(maxsize=256)
def encodings(charset: bytes) -> tuple[str, ...]:
    """Python's codecs for the (multi-valued) value of (0008,0005); unknown ones become Latin-1."""
    names = [part.strip(" \0") for part in charset.decode("ascii", "replace").split("\\")]
    return tuple(_codec(name) for name in names)


def _codec(name: str) -> str:
    tidy = re.sub(r"^ISO[ _-]IR[ _-]?", "ISO_IR ", name.upper())
    tidy = re.sub(r"^ISO[ _-]2022[ _-]IR[ _-]?", "ISO 2022 IR ", tidy)
    found = str(python_encoding.get(tidy, _LATIN))
    return _LATIN if found == "iso8859" else found


def decode(value: bytes, charset: bytes) -> str:
    return decoded(value, charset)[0]


def decoded(value: bytes, charset: bytes) -> tuple[str, str]:
    """The text, and the codec that could read it: none where escapes, or nothing but ASCII, say it themselves."""
    if b"\x1b" in value:
        return _decode_escaped(value, encodings(charset)[0]), ""
    if value.isascii():
        return value.decode("ascii"), ""
    for codec in (encodings(charset)[0], "utf-8"):
        try:
            return value.decode(codec), codec
        except UnicodeDecodeError:
            continue
    return value.decode(_LATIN), _LATIN


def _decode_escaped(value: bytes, first: str) -> str:
    codec, escape, out = first, b"", []
    for piece in _ESCAPE.split(value):
        if piece.startswith(b"\x1b"):
            codec, escape = str(CODES_TO_ENCODINGS.get(piece, first)), piece
        elif piece:
            prefix = escape if codec in _OWN_ESCAPES else b""
            out.append(_piece(prefix + piece, _LATIN if codec == "iso8859" else codec))
    return "".join(out)


def _piece(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return data.decode(_LATIN)


def encode(text: str, charset: bytes) -> bytes:
    """By the first declared set that can hold it; else what the first cannot hold becomes `?`."""
    if text.isascii():
        return text.encode("ascii")
    codecs = encodings(charset)
    for index, codec in enumerate(codecs):
        try:
            encoded = text.encode(codec)
        except UnicodeEncodeError:
            continue
        needs_escape = index > 0 and codec not in _OWN_ESCAPES
        return (ENCODINGS_TO_CODES.get(codec, b"") if needs_escape else b"") + encoded
    return text.encode(codecs[0], "replace")
