from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.storage import keys


@pytest.fixture
def audit_keys(tmp_path: Path, settings: LazySettings) -> None:
    """Keys of this test alone."""
    settings.KEY_DIR = tmp_path / "keys"
    keys.ensure(settings.KEY_DIR)
