from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.vault import keyring
from proxy.vault.pseudonyms import forget_cache
from tests.scene import Scene, make_scene


@pytest.fixture
def keys(tmp_path: Path, settings: LazySettings) -> None:
    """Keys of this test alone."""
    settings.KEY_DIR = tmp_path / "keys"
    forget_cache()
    keyring.ensure_keys(settings.KEY_DIR)


@pytest.fixture
def scene(db: None, keys: None) -> Scene:
    return make_scene()
