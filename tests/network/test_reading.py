"""What a peer gets is what the file holds behind its meta information, whatever the disk can do."""

import fcntl
import os
from pathlib import Path

import pytest

from proxy.network import reading
from proxy.network.part10 import NotPart10
from proxy.network.reading import WINDOW, Reading, Shorter, window
from tests.aside import changed

META = 512
HEAD = b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0" + (META - 144).to_bytes(4, "little")


def part10(folder: Path, size: int) -> tuple[Path, bytes]:
    """A file whose data set has so many bytes, and that data set."""
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    path = folder / "image.dcm"
    path.write_bytes(HEAD.ljust(META, b"m") + data)
    return path, data


def cool(path: Path) -> None:
    """Out of the cache of the system, as reception leaves it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def everything(path: Path) -> bytes:
    with Reading(path, window()) as file:
        pieces = [(bytes(view), last) for view, last in file.pieces()]
    assert [last for _, last in pieces] == [False] * (len(pieces) - 1) + [True]
    return b"".join(view for view, _ in pieces)


@pytest.mark.parametrize(
    "size",
    [2, 4096 - META, 4096, WINDOW - META - 2, WINDOW - META, WINDOW - META + 2, WINDOW, 3 * WINDOW + 10],
)
@pytest.mark.parametrize("is_cold", [False, True])
def test_every_byte_of_the_data_set_comes_once(tmp_path: Path, size: int, is_cold: bool) -> None:
    path, data = part10(tmp_path, size)
    if is_cold:
        cool(path)
    assert everything(path) == data


@pytest.mark.parametrize("is_cold", [False, True])
def test_only_what_does_not_lie_in_the_cache_is_read_past_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cold: bool
) -> None:
    path, data = part10(tmp_path, 2 * WINDOW)
    if is_cold:
        cool(path)
    asked: list[bool] = []
    past = reading._past_the_cache

    def noted(handle: int, *, wanted: bool) -> None:
        asked.append(wanted)
        past(handle, wanted=wanted)

    monkeypatch.setattr(reading, "_past_the_cache", noted)
    assert everything(path) == data
    assert (True in asked) == is_cold


def test_a_file_system_without_it_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = part10(tmp_path, 2 * WINDOW + 4)
    cool(path)
    plain = fcntl.fcntl

    def refuse(handle: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return plain(handle, command, flags)

    monkeypatch.setattr(reading, "fcntl", changed(fcntl, fcntl=refuse))
    assert everything(path) == data


def test_a_read_that_ends_early_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And from there no block begins where we stand."""
    path, data = part10(tmp_path, WINDOW)
    short = changed(os, readv=lambda handle, into: os.readv(handle, [into[0][:10_000]]))
    monkeypatch.setattr(reading, "os", short)
    assert everything(path) == data


@pytest.mark.parametrize("size", [0, 10, 143, META])
def test_a_file_without_a_data_set_is_none(tmp_path: Path, size: int) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(HEAD.ljust(META, b"m")[:size])
    with pytest.raises(NotPart10):
        Reading(path, window())


def test_a_file_that_loses_its_end_is_said(tmp_path: Path) -> None:
    path, _ = part10(tmp_path, 2 * WINDOW)
    with Reading(path, window()) as reading:
        os.truncate(path, WINDOW)
        with pytest.raises(Shorter):
            list(reading.pieces())


def test_what_is_added_meanwhile_is_not_sent(tmp_path: Path) -> None:
    path, data = part10(tmp_path, WINDOW)
    with Reading(path, window()) as reading:
        with path.open("ab") as file:
            file.write(b"more")
        assert b"".join(bytes(view) for view, _ in reading.pieces()) == data


def test_nothing_stays_open(tmp_path: Path) -> None:
    path, _ = part10(tmp_path, 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    everything(path)
    path.write_bytes(b"no image")
    for wrong in (path, tmp_path / "nothing", tmp_path):
        with pytest.raises((OSError, NotPart10)):
            Reading(wrong, window())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
