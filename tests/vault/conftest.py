"""Each test of the vault has keys of its own, and nobody it remembers from the test before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from proxy.vault import issuers, pseudonyms
from proxy.vault.keyring import ensure_keys


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.KEY_DIR, settings.DATA_DIR = tmp_path / "keys", tmp_path / "data"
    settings.FORGOTTEN_FILE = tmp_path / "forgotten"
    ensure_keys(settings.KEY_DIR)
    pseudonyms.forget_cache()
    issuers.forget_cache()
    yield settings.KEY_DIR
    pseudonyms.forget_cache()
    issuers.forget_cache()
