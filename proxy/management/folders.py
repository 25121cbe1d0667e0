"""The folders that Postern writes into. Made before anything else: Django's own checks open the database."""

from pathlib import Path

from django.conf import settings

from config import reading


def make_folders() -> None:
    for name, folder in _folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            reading.refuse(name, f"the folder {folder} cannot be made: {error.strerror}.")


def _folders() -> list[tuple[str, Path]]:
    names = ("DATA_DIR", "DICOM_STORAGE_DIR", "DICOM_LOG_DIR", "ARCHIVE_DIR")
    folders: list[tuple[str, Path]] = [(name, getattr(settings, name)) for name in names]
    if settings.DATABASE_ENGINE == "sqlite":
        folders.append(("DATABASE_PATH", settings.DATABASE_PATH.parent))
    return folders
