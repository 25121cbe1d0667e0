"""Decode and encode text by Specific Character Set (PS3.3 C.12.1.1.2), escapes included."""

import warnings
from functools import lru_cache
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, encode_string

_DELIMITERS: Final = {ord(mark) for mark in "\\^=\n\f\r\t"}


@lru_cache(maxsize=256)
def encodings(charset: bytes) -> tuple[str, ...]:
    """Python's names for the (multi-valued) value of (0008,0005); unknown ones become Latin-1."""
    names = [part.strip(" \0") for part in charset.decode("ascii", "replace").split("\\")]
    found: list[str] = []
    for index, name in enumerate(names):
        if not name:
            found.append("iso8859" if index == 0 else "")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.extend(convert_encodings([name])[-1:])
        except LookupError:
            found.append("iso8859")
    return tuple(name for name in found if name) or ("iso8859",)


def decode(value: bytes, charset: bytes) -> str:
    """Never fails: what the declared set cannot read is read as UTF-8, else as Latin-1."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    names = encodings(charset)
    if len(names) == 1 and b"\x1b" not in value:
        try:
            return value.decode(_python(names[0]))
        except (UnicodeDecodeError, LookupError):
            return _guess(value)
    try:
        return str(decode_bytes(value, list(names), _DELIMITERS))
    except (UnicodeDecodeError, LookupError, ValueError):
        return _guess(value)


def _python(name: str) -> str:
    return "latin-1" if name == "iso8859" else name


def _guess(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def encode(text: str, charset: bytes) -> bytes:
    """What the declared set cannot hold becomes `?`."""
    if text.isascii():
        return text.encode("ascii")
    names = encodings(charset)
    try:
        return bytes(encode_string(text, list(names)))
    except (UnicodeEncodeError, LookupError, ValueError):
        return text.encode(_python(names[0]), "replace")
