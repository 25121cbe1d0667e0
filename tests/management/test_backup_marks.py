"""What leaves the house leaves a mark, or does not leave."""

import io
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from proxy.audit.models import Entry
from proxy.audit.record import ChainBroken
from proxy.management.backups import databases, escrow, making
from proxy.management.commands import backup
from proxy.storage import keys as key_files

pytestmark = pytest.mark.django_db
PASSPHRASE = "a long enough passphrase"


@pytest.fixture(autouse=True)
def house(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.KEY_DIR = tmp_path / "keys"
    settings.DATA_DIR = settings.DICOM_STORAGE_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.AUDIT_ANCHORS = tmp_path / "anchors"
    key_files.ensure(settings.KEY_DIR)
    monkeypatch.setattr(databases, "snapshot", lambda copy: copy.write_bytes(b"rows"))
    return tmp_path


def back_up(target: Path) -> None:
    making.make(target, timezone.now(), "ada")


def back_up_keys(target: Path) -> None:
    (target.parent / "phrase").write_text(PASSPHRASE)
    call_command(
        "backup",
        "--keys",
        str(target),
        "--passphrase-file",
        str(target.parent / "phrase"),
        stdout=io.StringIO(),
    )


@pytest.mark.parametrize("act", [back_up, back_up_keys])
def test_without_a_mark_nothing_is_handed_out(
    act: Callable[[Path], None], house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Mock(side_effect=ChainBroken("The head of the audit chain was changed; run verify_audit."))
    for module in (making, backup):
        monkeypatch.setattr(module, "record", trouble)
    with pytest.raises((ChainBroken, CommandError), match="chain was changed"):
        act(house / "archive")
    assert not (house / "archive").exists() and trouble.called


def test_keys_that_could_not_be_written_leave_no_mark(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escrow, "write", Mock(side_effect=OSError(28, "full")))
    with pytest.raises(CommandError, match="could not be written"):
        back_up_keys(house / "archive")
    assert not Entry.objects.filter(action="keys.escrowed").exists()
