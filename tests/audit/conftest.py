"""Each test of the audit has a key of its own."""

from pathlib import Path

import pytest
from pytest_django import Settings

from proxy.storage import keys as key_files


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, settings: Settings) -> Path:
    settings.KEY_DIR = tmp_path / "keys"
    settings.AUDIT_ANCHORS = tmp_path / "anchors"
    key_files.ensure(settings.KEY_DIR)
    return Path(settings.KEY_DIR)
