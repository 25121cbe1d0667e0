"""The folders that are ours: what a destination wrote there would be taken for an image, or be removed as one."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

BELOW_DATA = (
    "studies", "quarantine", "results", "vault", "database", "logs", "static", "archives", "dispatches",
)  # fmt: skip
STORES = ("studies", "quarantine", "results")


def is_ours(path: str) -> bool:
    """Whether this folder, meant from DATA_DIR, is one of ours or lies in one, links followed."""
    place = (Path(settings.DATA_DIR) / path).resolve()
    homes = {Path(settings.DATA_DIR).resolve(), Path(settings.DICOM_STORAGE_DIR).resolve()}
    return place in homes or any(place.is_relative_to(one) for one in _ours())


def _ours() -> Iterator[Path]:
    yield from (Path(settings.DATA_DIR, name).resolve() for name in BELOW_DATA)
    yield from (Path(settings.DICOM_STORAGE_DIR, name).resolve() for name in STORES)
    for name in ("DICOM_LOG_DIR", "ARCHIVE_DIR", "BACKUP_DIR", "KEY_DIR"):
        yield Path(getattr(settings, name)).resolve()
