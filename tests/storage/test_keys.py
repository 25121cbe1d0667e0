"""Keys are made once, and one that is lost is told."""

import multiprocessing
import os
from pathlib import Path

import pytest

from proxy.storage import keys
from proxy.storage.keys import AUDIT, DJANGO, EVIDENCE, FOUNDED, INDEX, MASTER, KeysMissing, Watched

ALL = [AUDIT, EVIDENCE, INDEX, MASTER]


def test_a_first_start_makes_every_key_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert sorted(keys.ensure(folder)) == ALL
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in ALL)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*ALL, FOUNDED])


def test_promise_5_a_second_start_changes_nothing(tmp_path: Path) -> None:
    keys.ensure(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ALL}
    assert keys.ensure(tmp_path) == []
    assert before == {name: (tmp_path / name).read_bytes() for name in ALL}


@pytest.mark.parametrize("name", ALL)
def test_promise_1_a_key_that_is_lost_is_told_and_not_made_again(tmp_path: Path, name: str) -> None:
    keys.ensure(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(KeysMissing, match=name) as caught:
        keys.ensure(tmp_path)
    assert caught.value.status == 0x0110
    assert not (tmp_path / name).exists()


def test_a_start_that_died_halfway_is_finished_by_the_next(tmp_path: Path) -> None:
    keys.ensure(tmp_path)
    kept = (tmp_path / MASTER).read_bytes()
    (tmp_path / FOUNDED).unlink()
    (tmp_path / AUDIT).unlink()
    assert keys.ensure(tmp_path) == [AUDIT]
    assert (tmp_path / MASTER).read_bytes() == kept


def test_processes_that_start_at_once_make_one_set(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    with multiprocessing.get_context("fork").Pool(6) as pool:
        made = pool.map(keys.ensure, [folder] * 12)
    assert sorted(name for names in made for name in names) == ALL


@pytest.mark.parametrize("content", ["", "\n", "short\n", "€\n", "x" * 43 + "\n", "not base64 at all !!"])
def test_promise_1_a_key_that_is_damaged_is_told(tmp_path: Path, content: str) -> None:
    keys.ensure(tmp_path)
    (tmp_path / MASTER).write_text(content, encoding="utf-8")
    with pytest.raises(KeysMissing, match=MASTER):
        keys.read(tmp_path, MASTER)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_promise_1_a_key_that_others_can_read_or_write_is_none(tmp_path: Path, mode: int) -> None:
    keys.ensure(tmp_path)
    (tmp_path / INDEX).chmod(mode)
    with pytest.raises(KeysMissing, match="others"):
        keys.read(tmp_path, INDEX)


def test_a_folder_in_place_of_a_key_is_none(tmp_path: Path) -> None:
    keys.ensure(tmp_path)
    (tmp_path / INDEX).unlink()
    (tmp_path / INDEX).mkdir(mode=0o700)
    with pytest.raises(KeysMissing):
        keys.read(tmp_path, INDEX)


def test_promise_1_a_key_that_vanishes_while_we_run_is_noticed_at_its_next_use(tmp_path: Path) -> None:
    keys.ensure(tmp_path)
    watched = Watched(tmp_path, INDEX)
    secret = watched.secret()
    (tmp_path / INDEX).rename(tmp_path / "elsewhere")
    with pytest.raises(KeysMissing):
        watched.secret()
    (tmp_path / "elsewhere").rename(tmp_path / INDEX)
    assert watched.secret() == secret


def test_a_key_that_is_exchanged_is_read_anew(tmp_path: Path) -> None:
    keys.ensure(tmp_path)
    watched = Watched(tmp_path, MASTER)
    [old] = watched.lines()
    keys.add_master(tmp_path)
    assert watched.lines()[1:] == (old,)
    keys.keep_newest_master(tmp_path)
    assert old not in watched.lines()


def rotate(folder: Path) -> None:
    keys.add_master(folder)


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    keys.ensure(tmp_path)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(rotate, [tmp_path] * 10)
    assert len(set(keys.read(tmp_path, MASTER))) == 11


def test_django_keeps_its_secret(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = keys.django_secret(folder)
    assert len(first) >= 50
    assert keys.django_secret(folder) == first
    assert (folder / DJANGO).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_may_enter_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    keys.ensure(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.geteuid()


def test_promise_2_keys_survive_a_power_loss_right_after_the_first_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("proxy.storage.files.sync_folder", synced.append)
    monkeypatch.setattr(keys, "sync_folder", synced.append)
    keys.ensure(tmp_path / "etc" / "keys")
    assert {tmp_path, tmp_path / "etc", tmp_path / "etc" / "keys"} <= set(synced)
