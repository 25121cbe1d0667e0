"""A file that grows by lines holds whole ones: what a full disk or a crash cut short spoils no other."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.storage.lines import append

Write = Callable[[int, bytes], int]


def short(left: int) -> Write:
    """A disk that has room for so many bytes."""
    whole = os.write

    def write(handle: int, data: bytes) -> int:
        return whole(handle, data[:left])

    return write


def test_lines_stand_one_after_the_other_and_are_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    for line in ("one", "two"):
        append(file, line)
    assert file.read_text() == "one\ntwo\n"
    assert file.stat().st_mode & 0o077 == 0


def test_where_its_folder_is_not_mounted_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        append(tmp_path / "elsewhere" / "lines", "one")
    assert not any(tmp_path.iterdir())


def no(*_: object) -> None:
    raise PermissionError


def test_a_file_that_may_only_grow_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "ftruncate", no)
    file = tmp_path / "lines"
    file.write_text("one\ntw")
    append(file, "three", is_line=lambda tail: False)
    assert file.read_text() == "one\ntw\nthree\n"
    with monkeypatch.context() as full:
        full.setattr(os, "write", short(2))
        with pytest.raises(OSError, match="no room"):
            append(file, "four")
    append(file, "five")
    assert file.read_text() == "one\ntw\nthree\nfo\nfive\n"


def test_half_a_line_on_a_full_disk_is_an_error_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lines"
    append(file, "one")
    with monkeypatch.context() as full:
        full.setattr(os, "write", short(2))
        with pytest.raises(OSError, match="no room") as told:
            append(file, "two")
    assert told.value.errno == errno.ENOSPC
    assert file.read_text() == "one\n"
    append(file, "three")
    assert file.read_text() == "one\nthree\n"


def test_whatever_was_cut_short_does_not_swallow_the_next(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("one\ntw")
    append(file, "three")
    assert file.read_text() == "one\ntw\nthree\n"


@pytest.mark.parametrize(("left", "then"), [("tw", "one\nthree\n"), ("two", "one\ntwo\nthree\n")])
def test_what_is_no_line_goes_where_it_must_not_stay(tmp_path: Path, left: str, then: str) -> None:
    file = tmp_path / "lines"
    file.write_text("one\n" + left)
    append(file, "three", is_line=lambda tail: tail == "two")
    assert file.read_text() == then
    file.write_text(left)
    append(file, "three", is_line=lambda tail: tail == "two")
    assert file.read_text() == then.removeprefix("one\n")


def test_a_very_long_tail_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("one\n" + "t" * 20_000)
    append(file, "three", is_line=lambda tail: tail == "t" * 20_000)
    assert file.read_text().count("\n") == 3
