"""Promise 2: a file is whole under its name, or it is not there."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.storage import direct, files
from proxy.storage.errors import AlreadyThere, StorageFull
from proxy.storage.files import publish_many, remove, stage, sweep
from tests.aside import changed


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_promise_2_nothing_is_seen_before_commit(tmp_path: Path) -> None:
    staged = stage(tmp_path, "study/image.dcm")
    staged.write([b"half"])
    assert not (tmp_path / "study/image.dcm").exists()
    staged.write([b" and half"])
    assert staged.commit().read_bytes() == b"half and half"
    assert everything(tmp_path) == ["study/image.dcm"]
    assert staged.size == 13


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = stage(tmp_path, "deep/er/image").commit()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700


def test_promise_2_a_name_that_is_taken_is_never_overwritten(tmp_path: Path) -> None:
    stage(tmp_path, "image").commit()
    (tmp_path / "image").write_bytes(b"first")
    with stage(tmp_path, "image") as second, pytest.raises(AlreadyThere):
        second.write([b"second"])
        second.commit()
    assert (tmp_path / "image").read_bytes() == b"first"
    assert everything(tmp_path) == ["image"]


def test_where_links_are_not_known_a_rename_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*names: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(files, "os", changed(os, link=no_link))
    assert stage(tmp_path, "image").commit().exists()
    with pytest.raises(AlreadyThere):
        stage(tmp_path, "image").commit()
    assert everything(tmp_path) == ["image"]


def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    with stage(tmp_path, "image") as staged:
        staged.write([b"x"])
    assert everything(tmp_path) == []
    staged.discard()


@pytest.mark.parametrize("name", ["/etc/passwd", "../image", "a/../../image", "", "."])
def test_a_name_outside_of_the_root_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="below its root"):
        stage(tmp_path, name)


def test_what_was_flushed_can_be_read_before_it_has_its_name(tmp_path: Path) -> None:
    with stage(tmp_path, "image") as staged:
        staged.write([b"clean ", b"bytes"])
        staged.flush()
        assert staged.part.read_bytes() == b"clean bytes"
        staged.write([b" and more"])
        assert staged.commit().read_bytes() == b"clean bytes and more"


def test_many_files_are_published_with_each_folder_fsynced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = [stage(tmp_path, f"study/image-{n}") for n in range(5)]
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", lambda folder: synced.append(Path(folder)))
    publish_many(staged)
    assert synced == [tmp_path / "study", tmp_path]
    assert len(everything(tmp_path)) == 5


def test_promise_2_every_new_folder_is_fsynced_into_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", lambda folder: synced.append(Path(folder)))
    root = tmp_path / "data" / "studies"
    stage(root, "1/study/image").commit()
    new = {root / "1" / "study", root / "1", root, tmp_path / "data"}
    assert {folder.parent for folder in new} <= set(synced)


def test_of_many_files_all_are_published_or_none(tmp_path: Path) -> None:
    (tmp_path / "image-3").write_bytes(b"taken")
    staged = [stage(tmp_path, f"image-{n}") for n in range(5)]
    with pytest.raises(AlreadyThere):
        publish_many(staged)
    assert everything(tmp_path) == ["image-3"]


def test_promise_2_a_folders_own_name_is_fsynced_once_and_again_if_it_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", lambda folder: synced.append(Path(folder)))
    study, project = tmp_path / "1" / "study", tmp_path / "1"

    def publish(name: str, folder: str = "study") -> list[Path]:
        staged = stage(tmp_path, f"1/{folder}/{name}")
        synced.clear()
        staged.settle()
        return list(synced)

    assert publish("a") == [study, project, tmp_path]
    assert publish("b") == [study]
    study.rename(project / "older")  # which may be another process's doing
    study.mkdir()
    assert publish("c") == [study, project]
    (project / "other").mkdir()  # by another process, which may not be done yet
    assert publish("d", "other") == [project / "other", project]
    assert publish("e", "other") == [project / "other"]


def test_a_failure_leaves_no_folder_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        if Path(folder) == tmp_path:
            raise OSError(errno.EIO, "input/output error")

    (tmp_path / "study").mkdir()
    os.utime(tmp_path, ns=(0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_folder", broken)
        with pytest.raises(OSError, match="input/output"):
            stage(tmp_path, "study/a").commit()
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", lambda folder: synced.append(Path(folder)))
    stage(tmp_path, "study/b").commit()
    assert synced == [tmp_path / "study", tmp_path]


def test_promise_2_a_settled_file_has_its_content_and_its_name_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name comes first, so that the fsync of the content finds it in the same journal entry."""
    done: list[str] = []

    def noted(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def act(*given: Any) -> None:
            done.append(name)
            call(*given)

        return act

    watched = changed(os, fsync=noted("fsync", os.fsync), link=noted("link", os.link))
    monkeypatch.setattr(files, "os", watched)
    (tmp_path / "study").mkdir()
    with stage(tmp_path, "study/image") as staged:
        staged.write([b"content"])
        staged.settle()
    assert done == ["link", "fsync", "fsync", "fsync"]  # its content, its folder, the folder above
    assert (tmp_path / "study" / "image").read_bytes() == b"content"
    assert everything(tmp_path) == ["study/image"]


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_promise_2_what_could_not_be_settled_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def broken(*given: Any) -> None:
        raise OSError(errno.EIO, "input/output error")

    staged = stage(tmp_path, "image")
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", changed(os, **{call: broken}))
        with pytest.raises(OSError, match="input/output"):
            staged.settle()
    assert everything(tmp_path) == []


def test_a_file_that_is_there_is_left_alone_when_another_one_settles(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"first")
    with pytest.raises(AlreadyThere):
        stage(tmp_path, "image").settle()
    assert (tmp_path / "image").read_bytes() == b"first"
    assert everything(tmp_path) == ["image"]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "link"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_promise_11_a_full_disk_is_said_as_such_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    def full(*given: Any, **more: Any) -> None:
        raise OSError(code, os.strerror(code))

    def write_one() -> None:
        with stage(tmp_path, "image") as staged:
            staged.write([b"x"])
            staged.commit()

    with monkeypatch.context() as patch, pytest.raises(StorageFull) as caught:
        for room in (files, direct):
            patch.setattr(room, "os", changed(os, **{call: full}))
        write_one()
    assert caught.value.status == 0xA700
    assert everything(tmp_path) == []


def test_other_trouble_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        stage(tmp_path, "file/image")


KILLED = """
import os, sys
from pathlib import Path
from proxy.storage.files import stage
staged = stage(Path(sys.argv[1]), "study/image")
staged.write([b"x" * 100000])
os.kill(os.getpid(), 9)
"""


def test_promise_2_what_a_killed_process_leaves_is_swept_later(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, cwd=Path(__file__).parents[2])
    [left] = everything(tmp_path)
    assert left.endswith(".part")
    assert sweep(tmp_path, older_than=60) == 0
    assert sweep(tmp_path, older_than=60, now=time.time() + 61) == 1
    assert everything(tmp_path) == []


def test_sweeping_leaves_whole_files_alone(tmp_path: Path) -> None:
    stage(tmp_path, "image").commit()
    assert sweep(tmp_path, older_than=0, now=time.time() + 10) == 0
    assert everything(tmp_path) == ["image"]


def test_removing_twice_is_as_once(tmp_path: Path) -> None:
    path = stage(tmp_path, "image").commit()
    assert remove(path)
    assert not remove(path)


def test_many_files_go_at_once_and_each_folder_is_synced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in ("a/1", "a/2", "b/1")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    assert files.remove_many([*paths, tmp_path / "gone" / "1"]) == 3
    assert sorted(synced) == [tmp_path / "a", tmp_path / "b"] and files.remove_many(paths) == 0


def test_only_an_empty_folder_goes(tmp_path: Path) -> None:
    (tmp_path / "full" / "one").mkdir(parents=True)
    assert not files.remove_folder(tmp_path / "full") and not files.remove_folder(tmp_path / "gone")
    assert files.remove_folder(tmp_path / "full" / "one") and files.remove_folder(tmp_path / "full")


def test_a_folder_that_is_removed_before_its_first_file_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = files.make_folder

    def made_and_removed_once(folder: Path) -> None:
        monkeypatch.setattr(files, "make_folder", honest)
        honest(folder)
        folder.rmdir()

    monkeypatch.setattr(files, "make_folder", made_and_removed_once)
    with files.stage(tmp_path, "study/image.dcm") as staged:
        staged.write([b"clean"])
        staged.commit()
    assert (tmp_path / "study" / "image.dcm").read_bytes() == b"clean"
