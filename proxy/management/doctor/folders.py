"""Where we write: that each folder is there, ours, closed to strangers, and has room."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from proxy.management.doctor.findings import Finding, fail, ok, warn
from proxy.storage import space

MEGABYTE: Final = 1 << 20
FOLDERS: Final = ("DATA_DIR", "DICOM_STORAGE_DIR", "DICOM_LOG_DIR", "BACKUP_DIR")
ALWAYS: Final = {"DATA_DIR", "DICOM_STORAGE_DIR"}  # a start makes them
STRANGERS: Final = stat.S_IRWXO
ALL: Final = os.R_OK | os.W_OK | os.X_OK


def examine_folders() -> Iterator[Finding]:
    for name in FOLDERS:
        folder = Path(getattr(settings, name))
        yield from _broken(name, folder) or [*_open(name, folder), _room(name, folder)]


def _broken(name: str, folder: Path) -> list[Finding]:
    """Nothing more is to be said of a folder that cannot be used."""
    if folder.exists():
        return _unusable(name, folder)
    above = next(one for one in folder.parents if one.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        return [fail("disk", f"{name} is not there, and this user cannot make it in {above}.")]
    if name in ALWAYS:
        return [fail("disk", f"{name} is not there: mount it, or start once, which makes it.")]
    return []


def _unusable(name: str, folder: Path) -> list[Finding]:
    if not folder.is_dir():
        return [fail("disk", f"{name} is no folder.")]
    if not os.access(folder, ALL):
        return [fail("disk", f"{name} cannot be read and written by this user; change its owner.")]
    return []


def _open(name: str, folder: Path) -> Iterator[Finding]:
    """Whoever may pick up what a folder destination leaves is of our group, not anybody."""
    if folder.exists() and folder.stat().st_mode & STRANGERS:
        yield warn("disk", f"{name} is open to everybody on this machine: `chmod o-rwx {folder}`.")


def _room(name: str, folder: Path) -> Finding:
    watermark = settings.DISK_WATERMARK * MEGABYTE
    free = space.free(folder)
    said = f"{name} has {free // MEGABYTE} MB free"
    if free <= watermark:
        wanted = f"DISK_WATERMARK is {settings.DISK_WATERMARK} MB"
        return fail("disk", f"{said}, {wanted}: images are refused; make room.")
    if free <= 2 * watermark:
        return warn("disk", f"{said}; images are refused below {settings.DISK_WATERMARK} MB.")
    return ok("disk", f"{said}.")
