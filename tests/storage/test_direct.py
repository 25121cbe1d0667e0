"""Past the cache or through it: the bytes in the file are those that were appended."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.storage import direct
from proxy.storage.direct import BLOCK, MOST_IDLE, ROOM, Appender
from tests.aside import changed


@contextmanager
def appending(path: Path) -> Iterator[Appender]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    appender = Appender(handle)
    try:
        yield appender
    finally:
        appender.close()
        os.close(handle)


def pattern(size: int, seed: int = 0) -> bytes:
    return bytes((seed + number) % 251 for number in range(251)) * (size // 251 + 1)


@pytest.mark.parametrize(
    "size",
    [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, ROOM - 1, ROOM, ROOM + 1, ROOM + BLOCK, 2 * ROOM, 3 * ROOM + 17],
)
def test_any_length_comes_out_as_it_went_in(tmp_path: Path, size: int) -> None:
    data = pattern(size)[:size]
    with appending(tmp_path / "file") as appender:
        appender.write(memoryview(data))
        appender.flush()
    assert (tmp_path / "file").read_bytes() == data


Write = Callable[[int, memoryview], int]


def short(most: int) -> Write:
    whole = os.write
    return lambda handle, view: whole(handle, view[:most])


def misaligned() -> Write:
    """A disk whose blocks are larger than ours."""
    whole = os.write

    def write(handle: int, view: memoryview) -> int:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "invalid argument")
        return whole(handle, view)

    return write


@given(st.lists(st.integers(0, 3 * BLOCK), max_size=12), st.integers(1, 3 * BLOCK), st.booleans())
def test_short_writes_and_odd_disks_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], most: int, odd: bool
) -> None:
    path = tmp_path_factory.mktemp("short") / "file"
    pieces = [pattern(size, seed)[:size] for seed, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch, appending(path) as appender:
        patch.setattr(direct, "os", changed(os, write=misaligned() if odd else short(most)))
        patch.setattr(direct, "ROOM", 2 * BLOCK)
        for number, piece in enumerate(pieces):
            appender.write(memoryview(piece))
            if number == len(pieces) // 2:
                appender.flush()
        appender.flush()
    assert path.read_bytes() == b"".join(pieces)


def test_a_file_system_without_it_gets_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fcntl.fcntl

    def refuse(handle: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "invalid argument")
        return plain(handle, command, flags)

    monkeypatch.setattr(direct, "fcntl", changed(fcntl, fcntl=refuse))
    data = pattern(ROOM + 5)
    with appending(tmp_path / "file") as appender:
        appender.write(memoryview(data))
        appender.flush()
    assert (tmp_path / "file").read_bytes() == data


def test_a_buffer_goes_from_file_to_file_and_brings_nothing_along(tmp_path: Path) -> None:
    with appending(tmp_path / "first") as appender:
        appender.write(memoryview(b"x" * 3 * BLOCK))
        appender.flush()
    with appending(tmp_path / "second") as appender:
        appender.write(memoryview(b"y" * 10))
        appender.flush()
    assert (tmp_path / "second").read_bytes() == b"y" * 10


def test_promise_11_idle_buffers_are_few(tmp_path: Path) -> None:
    handles = [os.open(tmp_path / str(number), os.O_WRONLY | os.O_CREAT) for number in range(MOST_IDLE + 5)]
    for appender in [Appender(handle) for handle in handles]:
        appender.close()
    assert len(direct._idle) <= MOST_IDLE
    for handle in handles:
        os.close(handle)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_what_the_disk_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with appending(tmp_path / "file") as appender:
        appender.write(memoryview(b"x"))
        monkeypatch.setattr(direct, "os", changed(os, write=refused))
        with pytest.raises(OSError, match=os.strerror(code)):
            appender.flush()
