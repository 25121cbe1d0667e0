from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.vault import keyring
from tests.backend.platform import KEY, Platform, open_platform
from tests.backend.said import PACS, configuration


@pytest.fixture
def platform(tmp_path: Path, settings: LazySettings) -> Iterator[Platform]:
    """A backend that knows us, and keys of this test alone."""
    settings.KEY_DIR = tmp_path / "keys"
    keyring.ensure_keys(settings.KEY_DIR)
    with open_platform(configuration(PACS)) as one:
        settings.ITH_URL, settings.ITH_TOKEN = one.url, KEY
        yield one
