"""Promise 8 and 9 across machines: a backup without keys, a restore onto an empty machine."""

import base64
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house import House

pytestmark = pytest.mark.journey

MEET = """
from proxy.management.start import prepare
from proxy.routing.models import Project
from proxy.vault.pseudonyms import person_for
prepare()
project = Project.objects.get(name="default")
for patient_id in ("AE-4711-XQ", "BS-0815-ZK"):
    known = person_for(project.pk, "", patient_id, {"PatientName": "Exampleova^Adalberta"}, "1.2.3")
    print(project.pk, known.pseudonym)
"""
MEET_CLEO = MEET.replace('("AE-4711-XQ", "BS-0815-ZK")', '["CS-1234-YW"]')
LOOK_UP = """
from proxy.vault.reidentify import Principal, identity_of
print(identity_of(Principal("test", lambda permission: True), "{pseudonym}", {project}, "a test").patient_id)
"""
FORGET = """
from proxy.vault.forget import forget
from proxy.vault.reidentify import Principal
forget(Principal("test", lambda permission: True), "{pseudonym}", {project}, "asked for")
"""
MARKS = """
from proxy.audit.models import Entry
print(*Entry.objects.order_by("sequence").values_list("action", flat=True))
"""


def say(house: House, script: str) -> str:
    done = house.command("shell", "--no-imports", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def empty(house: House) -> None:
    """A new machine: neither data nor keys, and an empty database."""
    for folder in (house.data, house.keys):
        shutil.rmtree(folder)
    house.empty_database()


def run(house: House, *words: str) -> str:
    done = house.command(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Kept:
    house: House
    archive: Path
    aside: Path
    project: str
    pseudonyms: list[str]


@pytest.fixture(scope="module")
def kept(migrated: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A house with two persons and an image, backed up, its keys put aside; to copy."""
    house = House.build(tmp_path_factory.mktemp("kept"), os.environ)
    house.take_database_of(migrated)
    lines = [line.split() for line in say(house, MEET).splitlines()]
    image = house.data / "studies" / "1" / "2.25.1" / "image.dcm"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"clean" * 1000)
    archive, aside = house.folder / "house.tar", house.folder / "aside"
    run(house, "backup", str(archive))
    assert (house.keys / "anchors").exists(), "how far the audit reached stands outside of the database"
    shutil.copytree(house.keys, aside)
    yield Kept(house, archive, aside, lines[0][0], [line[1] for line in lines])
    house.close()


@pytest.fixture
def backed_up(kept: Kept, new_machine: House, tmp_path: Path) -> tuple[House, Path, str, list[str]]:
    """The same for one test alone; project and pseudonyms."""
    new_machine.take_database_of(kept.house)
    shutil.copytree(kept.house.data, new_machine.data, dirs_exist_ok=True)
    shutil.copytree(kept.house.keys, new_machine.keys)
    shutil.copytree(kept.aside, tmp_path / "aside")
    archive = tmp_path / "house.tar"
    shutil.copy(kept.archive, archive)
    return new_machine, archive, kept.project, kept.pseudonyms


def test_no_key_lies_in_a_backup(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, _, _ = backed_up
    whole = archive.read_bytes()
    secrets = [file.read_bytes().strip() for file in house.keys.iterdir() if file.suffix in {".key", ".keys"}]
    assert len(secrets) == 5
    assert not any(secret in whole for secret in secrets)
    with tarfile.open(archive) as tar:
        assert "studies/1/2.25.1/image.dcm" in tar.getnames()


def test_after_a_restore_an_authorised_look_up_works(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, project, (ada, _) = backed_up
    empty(house)
    shutil.copytree(archive.parent / "aside", house.keys)
    run(house, "restore", str(archive))
    assert say(house, LOOK_UP.format(pseudonym=ada, project=project)) == "AE-4711-XQ"
    assert (house.data / "studies/1/2.25.1/image.dcm").read_bytes() == b"clean" * 1000
    assert "backup.restored" in say(house, MARKS)


def test_without_the_keys_nothing_does(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, project, (ada, _) = backed_up
    empty(house)
    refused = house.command("restore", str(archive))
    assert refused.returncode == 1
    assert "put it back from escrow" in refused.stderr
    shutil.copytree(archive.parent / "aside", house.keys, dirs_exist_ok=True)
    run(house, "restore", str(archive))
    shutil.rmtree(house.keys)
    blind = house.command("shell", "--no-imports", "-c", LOOK_UP.format(pseudonym=ada, project=project))
    assert blind.returncode != 0
    assert "AE-4711-XQ" not in blind.stdout + blind.stderr


def test_other_keys_than_those_of_the_backup_are_refused(
    backed_up: tuple[House, Path, str, list[str]],
) -> None:
    house, archive, _, _ = backed_up
    empty(house)
    say(house, "from proxy.management.start import prepare; prepare()")
    refused = house.command("restore", str(archive))
    assert refused.returncode == 1
    assert "not those of this backup" in refused.stderr


def test_keys_travel_under_a_passphrase(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, project, (ada, _) = backed_up
    words, sealed = archive.parent / "passphrase", archive.parent / "keys.sealed"
    words.write_text("correct horse battery staple\n")
    run(house, "backup", "--keys", str(sealed), "--passphrase-file", str(words))
    masters = (house.keys / "master.keys").read_bytes().strip()
    assert masters not in sealed.read_bytes()
    empty(house)
    words.write_text("wrong horse battery staple")
    wrong = house.command("restore", str(archive), "--keys", str(sealed), "--passphrase-file", str(words))
    assert "passphrase is wrong" in wrong.stderr
    words.write_text("correct horse battery staple")
    run(house, "restore", str(archive), "--keys", str(sealed), "--passphrase-file", str(words))
    assert say(house, LOOK_UP.format(pseudonym=ada, project=project)) == "AE-4711-XQ"


def test_a_restore_remembers_who_was_forgotten_since(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, project, (ada, ben) = backed_up
    say(house, FORGET.format(pseudonym=ada, project=project))
    shutil.copy(house.keys / "forgotten", archive.parent / "aside")
    empty(house)
    shutil.copytree(archive.parent / "aside", house.keys)
    run(house, "restore", str(archive))
    gone = house.command("shell", "--no-imports", "-c", LOOK_UP.format(pseudonym=ada, project=project))
    assert gone.returncode != 0
    assert say(house, LOOK_UP.format(pseudonym=ben, project=project)) == "BS-0815-ZK"


def go_back(house: House, archive: Path) -> None:
    """To a new machine, with the keys and whatever else lies beside them."""
    aside = archive.parent / "now"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(house.keys, aside)
    empty(house)
    shutil.copytree(aside, house.keys)
    run(house, "restore", str(archive))


def test_promise_5_a_backup_from_before_a_person_gives_their_forgotten_pseudonym_to_nobody(
    backed_up: tuple[House, Path, str, list[str]],
) -> None:
    house, archive, project, _ = backed_up
    _, cleo = say(house, MEET_CLEO).split()
    say(house, FORGET.format(pseudonym=cleo, project=project))
    go_back(house, archive)
    _, again = say(house, MEET_CLEO).split()
    assert again != cleo
    later = archive.parent / "later.tar"
    run(house, "backup", str(later))
    go_back(house, later)
    assert say(house, LOOK_UP.format(pseudonym=again, project=project)) == "CS-1234-YW"


def test_promise_8_a_restore_that_ends_early_leaves_nobody_alive_who_was_forgotten(
    backed_up: tuple[House, Path, str, list[str]],
) -> None:
    """The master keys are not those of the backup, which shows only once the database is in its place."""
    house, archive, project, (ada, ben) = backed_up
    say(house, FORGET.format(pseudonym=ada, project=project))
    masters = (house.keys / "master.keys").read_text()
    shutil.copy(house.keys / "forgotten", archive.parent / "aside")
    empty(house)
    shutil.copytree(archive.parent / "aside", house.keys)
    (house.keys / "master.keys").write_text(base64.urlsafe_b64encode(bytes(range(32))).decode() + "\n")
    assert house.command("restore", str(archive)).returncode != 0
    (house.keys / "master.keys").write_text(masters)
    gone = house.command("shell", "--no-imports", "-c", LOOK_UP.format(pseudonym=ada, project=project))
    assert gone.returncode != 0
    assert say(house, LOOK_UP.format(pseudonym=ben, project=project)) == "BS-0815-ZK"


def test_a_damaged_backup_changes_nothing(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, _, _ = backed_up
    empty(house)
    shutil.copytree(archive.parent / "aside", house.keys)
    whole = archive.read_bytes()
    for damaged in (whole.replace(b"cleanclean", b"cleanClean", 1), whole[: len(whole) // 2]):
        archive.write_bytes(damaged)
        refused = house.command("restore", str(archive))
        assert refused.returncode == 1
        assert not (house.data / "studies").exists()
        assert [name for name in house.data.iterdir() if name.name.startswith(".restore")] == []


def test_a_house_in_use_is_not_overwritten(backed_up: tuple[House, Path, str, list[str]]) -> None:
    house, archive, project, (ada, _) = backed_up
    refused = house.command("restore", str(archive))
    assert "in use" in refused.stderr
    assert say(house, LOOK_UP.format(pseudonym=ada, project=project)) == "AE-4711-XQ"
