"""Keys that are put back bring no older list of the forgotten with them."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.management.backups import escrow
from proxy.storage import keys
from proxy.vault.forgotten import Listed, listed, remember

PASSPHRASE = "correct horse battery staple"
ADA, BEN, CLEO = (Listed(1, f"ANON-{name}", name * 32, 0) for name in ("aa", "bb", "cc"))


@pytest.fixture
def key_dir(tmp_path: Path, settings: LazySettings) -> Path:
    settings.KEY_DIR = tmp_path / "keys"
    settings.FORGOTTEN_FILE = settings.KEY_DIR / "forgotten"
    keys.ensure(settings.KEY_DIR)
    return Path(settings.KEY_DIR)


@pytest.fixture
def sealed(key_dir: Path, tmp_path: Path) -> Path:
    """Keys from when Ada alone was forgotten."""
    remember(ADA)
    escrow.write(key_dir, tmp_path / "sealed", PASSPHRASE)
    return tmp_path / "sealed"


def test_promise_8_whoever_was_forgotten_since_stays_on_the_list(key_dir: Path, sealed: Path) -> None:
    remember(BEN)
    escrow.put_back(sealed, key_dir, PASSPHRASE)
    assert listed() == [ADA, BEN]


def test_whom_the_list_here_does_not_know_is_added(key_dir: Path, sealed: Path) -> None:
    (key_dir / "forgotten").unlink()
    remember(CLEO)
    assert "forgotten" in escrow.put_back(sealed, key_dir, PASSPHRASE)
    assert listed() == [CLEO, ADA]


def test_the_list_goes_where_it_is_kept_now(
    key_dir: Path, sealed: Path, tmp_path: Path, settings: LazySettings
) -> None:
    (key_dir / "forgotten").unlink()
    settings.FORGOTTEN_FILE = tmp_path / "list"
    escrow.put_back(sealed, key_dir, PASSPHRASE)
    assert listed() == [ADA] and not (key_dir / "forgotten").exists()
