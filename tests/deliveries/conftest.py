from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from proxy.storage import keys


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder of one's own for each test, with an empty store, and keys beside it."""
    folder, key_dir = tmp_path / "data", tmp_path / "keys"
    (folder / "studies").mkdir(parents=True)
    keys.ensure(key_dir)
    with override_settings(DATA_DIR=folder, DICOM_STORAGE_DIR=folder, KEY_DIR=key_dir):
        yield folder
