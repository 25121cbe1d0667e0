from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder of one's own for each test, with an empty store."""
    folder = tmp_path / "data"
    (folder / "studies").mkdir(parents=True)
    with override_settings(DATA_DIR=folder, DICOM_STORAGE_DIR=folder):
        yield folder
