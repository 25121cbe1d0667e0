from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from proxy.storage import keys as key_files
from proxy.tiers import customers, owners
from proxy.tiers.models import Customer
from proxy.tiers.table import FREE

NOON = datetime(2026, 11, 21, 12, 0, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def keys_of_ours(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """Whatever leaves a mark needs the audit's key; nobody is remembered from another test."""
    settings.KEY_DIR = tmp_path / "keys"
    key_files.ensure(settings.KEY_DIR)
    owners.forget()
    yield Path(settings.KEY_DIR)
    owners.forget()


@pytest.fixture
def customer(db: None) -> Customer:
    return made()


def made(name: str = "acme", tier: str = FREE) -> Customer:
    return customers.add(name, "test", NOON, tier=tier)
