from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.vault import keyring
from proxy.vault.pseudonyms import forget_cache
from tests.scene import Scene, make_scene


@pytest.fixture
def own_folders(tmp_path: Path, settings: LazySettings) -> Path:
    """Folders and keys of this test alone; nothing listens anywhere."""
    data = tmp_path / "data"
    for name in ("DATA_DIR", "DICOM_STORAGE_DIR"):
        setattr(settings, name, data)
    for name in ("DICOM_LOG_DIR", "ARCHIVE_DIR", "BACKUP_DIR"):
        setattr(settings, name, data / name.lower())
    settings.KEY_DIR = tmp_path / "keys"
    settings.FORGOTTEN_FILE = settings.KEY_DIR / "forgotten"
    settings.DISK_WATERMARK = 1
    data.mkdir()
    forget_cache()
    keyring.ensure_keys(settings.KEY_DIR)
    return data


@pytest.fixture
def scene(db: None, own_folders: Path) -> Scene:
    return make_scene()
