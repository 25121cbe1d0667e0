"""What the doctor says of the folders that we write into."""

import os
from pathlib import Path

import pytest
from pytest_django import Settings

from proxy.management.doctor import folders
from proxy.storage import space


@pytest.fixture(autouse=True)
def place(tmp_path: Path, settings: Settings) -> Path:
    settings.DISK_WATERMARK = 0
    for name in folders.FOLDERS:
        folder = tmp_path / name.lower()
        folder.mkdir(mode=0o700)
        setattr(settings, name, folder)
    return tmp_path


def said() -> list[str]:
    """What is not well."""
    return [str(one) for one in folders.examine_folders() if one.level != "ok"]


def test_folders_of_ours_need_no_word() -> None:
    assert said() == []
    assert [one.sentence.split()[0] for one in folders.examine_folders()] == list(folders.FOLDERS)


@pytest.mark.parametrize("name", sorted(folders.ALWAYS))
def test_one_that_is_not_there_is_wrong(place: Path, name: str) -> None:
    (place / name.lower()).rmdir()
    assert said() == [f"FAIL  disk: {name} is not there: mount it, or start once, which makes it."]


def test_what_is_made_when_it_is_needed_may_be_missing(place: Path) -> None:
    for name in ("backup_dir", "dicom_log_dir"):
        (place / name).rmdir()
    assert said() == []


def test_one_that_cannot_even_be_made_is_wrong(
    place: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_DIR = place / "others" / "deep" / "backups"
    (place / "others").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place / "others")
    sentence = f"BACKUP_DIR is not there, and this user cannot make it in {place / 'others'}."
    assert said() == [f"FAIL  disk: {sentence}"]


def test_one_that_is_somebody_elses_is_wrong(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place / "data_dir")
    assert said() == ["FAIL  disk: DATA_DIR cannot be read and written by this user; change its owner."]


def test_a_file_is_no_folder(place: Path) -> None:
    (place / "data_dir").rmdir()
    (place / "data_dir").write_text("")
    assert said() == ["FAIL  disk: DATA_DIR is no folder."]


@pytest.mark.parametrize(("mode", "is_open"), [(0o700, False), (0o750, False), (0o705, True), (0o755, True)])
def test_one_that_everybody_may_open_is_told(place: Path, mode: int, is_open: bool) -> None:
    (place / "data_dir").chmod(mode)
    assert bool(said()) == is_open
    assert not is_open or f"`chmod o-rwx {place / 'data_dir'}`" in said()[0]


def test_room_is_told_before_images_are_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DISK_WATERMARK = 10
    for free, level in ((10, "FAIL"), (20, "warn"), (21, "")):
        monkeypatch.setattr(space, "free", lambda path, free=free: free << 20)
        assert {one[:4].strip() for one in said()} == ({level} if level else set())
