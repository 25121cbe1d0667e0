"""An empty machine: whoever starts first prepares it, whoever comes second finds it done."""

import re
import subprocess
import sys

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from proxy.management import start
from tests.house import ROOT, House

PREPARE = "from proxy.management.start import prepare; p = prepare(admin=True); print(p, p.admin_password)"
COUNT = """
from django.contrib.auth.models import User
from proxy.routing.models import Route
print(User.objects.count(), Route.objects.count())
"""


@pytest.fixture
def house(new_machine: House) -> House:
    """Not even a database that was migrated before."""
    return new_machine


def shell(script: str) -> list[str]:
    return [sys.executable, "manage.py", "shell", "--no-imports", "-c", script]


@pytest.mark.journey
def test_four_processes_at_once_prepare_one_house(house: House) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    begun = [
        subprocess.Popen(shell(PREPARE), cwd=ROOT, env=house.env, text=True, **pipes)  # type: ignore[call-overload]
        for _ in range(4)
    ]
    answers = [(*one.communicate(timeout=150), one.returncode) for one in begun]
    assert [code for _, _, code in answers] == [0, 0, 0, 0], answers
    passwords = {said.split()[-1] for said, _, _ in answers} - {"None"}
    assert len(passwords) == 1
    assert not any(re.search(f"Prepared.*{passwords.copy().pop()}.*\\)", said) for said, _, _ in answers)
    assert house.command("shell", "--no-imports", "-c", COUNT).stdout.split() == ["1", "1"]
    assert house.data.stat().st_mode & 0o077 == 0
    assert house.keys.stat().st_mode & 0o077 == 0


@pytest.mark.django_db
def test_what_is_migrated_is_not_migrated_again() -> None:
    """It cost each process 20 MB for as long as it lived, and two seconds of its start."""
    assert not start.waits_for_migration()


@pytest.mark.django_db
@pytest.mark.parametrize(("app", "name"), [("studies", "0001_initial"), ("auth", "0001_initial")])
def test_a_migration_that_was_not_applied_is_waited_for(app: str, name: str) -> None:
    MigrationRecorder(connection).record_unapplied(app, name)
    assert start.waits_for_migration()


@pytest.mark.django_db
def test_without_any_table_everything_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationRecorder, "has_table", lambda self: False)
    assert start.waits_for_migration()


@pytest.mark.journey
@pytest.mark.parametrize("words", [("migrate",), ("export_site",)])
def test_a_command_works_on_an_empty_data_dir(house: House, words: tuple[str, ...]) -> None:
    done = house.command(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.journey
def test_a_lost_key_stops_the_start_with_a_sentence(house: House) -> None:
    assert house.command("shell", "--no-imports", "-c", PREPARE).returncode == 0
    (house.keys / "index.key").unlink()
    done = house.command("work")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("put it back from escrow.")
    assert not (house.keys / "index.key").exists()


@pytest.mark.journey
def test_a_database_that_is_away_is_named(house: House) -> None:
    away = {"DATABASE_ENGINE": "postgresql", "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}
    done = house.command("work", **away)
    assert done.returncode == 1
    assert "The database cannot be reached" in done.stderr


@pytest.mark.journey
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DICOM_PORT", "eleven", "Setting DICOM_PORT: give a whole number"),
        ("DEBUG", "perhaps", "Setting DEBUG: say True or False."),
        ("DICOM_AE_TITLE", "A" * 17, "Setting DICOM_AE_TITLE: an AE title has"),
        ("DATABASE_ENGINE", "oracle", "Setting DATABASE_ENGINE: choose one of"),
        ("SECRET_KEY", "change-me", "Setting SECRET_KEY: this is the sample value"),
        ("DATA_DIR", "/proc/nowhere", "Setting DATA_DIR: the folder"),
        ("KEY_DIR", "/proc/nowhere", "Setting KEY_DIR: keys cannot be kept"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(
    house: House, name: str, value: str, says: str
) -> None:
    done = house.command("migrate", **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.journey
def test_keys_under_the_data_are_refused(house: House) -> None:
    done = house.command("migrate", KEY_DIR=str(house.data / "keys"))
    assert done.returncode == 1
    assert done.stderr.startswith("Setting KEY_DIR: keys may not lie under DATA_DIR")
    assert not house.data.exists() or not (house.data / "keys").exists()
