"""Look at a clean file as it lies on the disk, knowing nothing but the standard and the pseudonym."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid.tables import types_of

PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """What one file's header says. Tags in eight hex digits."""

    marked: bool  # (0012,0062) Patient Identity Removed is YES
    pseudonymous: bool  # Patient ID and name are the pseudonym, and nothing else
    without_value: tuple[str, ...]  # attributes of Type 1 (PS3.3, mandatory modules) that have none


def digest_of(path: Path) -> tuple[str, int]:
    """(SHA-256 in hex, bytes); ("", 0) for a file that cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return "", 0
    return digest.hexdigest(), size


def header_of(path: Path, pseudonym: str) -> Header | None:
    """None for a file that cannot be read, whatever pydicom trips over: it holds up no other's evidence."""
    try:
        return _judged(dcmread(path, stop_before_pixels=True), pseudonym)
    except Exception:
        return None


def _judged(header: Dataset, pseudonym: str) -> Header:
    names = {str(header.get("PatientID", "")), str(header.get("PatientName", ""))}
    always, _ = types_of(str(header.get("SOPClassUID", ""))) or (frozenset(), frozenset())
    missing = sorted(tag for tag in always if not _is_pixels(tag) and not _has_value(header, tag))
    return Header(
        marked=header.get("PatientIdentityRemoved", "") == "YES",
        pseudonymous=pseudonym in names and names <= {pseudonym, ""},
        without_value=tuple(f"{tag:08X}" for tag in missing),
    )


def _is_pixels(tag: int) -> bool:
    return tag in (0x7FE00010, 0x7FE00008, 0x7FE00009)


def _has_value(header: Dataset, tag: int) -> bool:
    element = header.get_item(tag)
    if element is None:
        return False
    value = header[tag].value if element.VR == "SQ" else element.value
    return value is not None and len(value) > 0 if hasattr(value, "__len__") else value is not None
