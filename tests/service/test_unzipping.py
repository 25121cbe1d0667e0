"""A ZIP is read as it comes: every honest one, and no bomb, with bounded memory."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from proxy.service import unzipping
from proxy.service.archives import File, files_in
from proxy.service.sources import Room
from proxy.service.troubles import TooMuch
from proxy.service.unzipping import BrokenArchive, BrokenMember
from tests.service.sending import Trickle

CONTENTS = [b"", b"short", bytes(range(256)) * 9_000]


def zipped(contents: list[bytes], method: int = zipfile.ZIP_DEFLATED, *, seekable: bool = True) -> bytes:
    out = io.BytesIO()
    target: io.IOBase = out if seekable else Unseekable(out)
    with zipfile.ZipFile(target, "w", method) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"folder/{number}", content)
    return out.getvalue()


class Unseekable(io.RawIOBase):
    def __init__(self, out: io.BytesIO) -> None:
        self.out = out

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self.out.write(data)

    def flush(self) -> None:
        """Nothing waits."""


def room(size: int = 1 << 30, members: int = 1_000) -> Room:
    return Room(size, members)


def read(file: File) -> bytes:
    pieces = []
    while piece := file.content.read(10_000):
        pieces.append(bytes(piece))
    return b"".join(pieces)


def opened(archive: bytes, bounds: Room | None = None, step: int = 1 << 16) -> list[bytes]:
    return [read(file) for file in files_in(Trickle(archive, step), "sent.zip", bounds or room())]


@pytest.mark.parametrize("step", [97, 1 << 16])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_file_comes_out(method: int, step: int) -> None:
    assert opened(zipped(CONTENTS, method), step=step) == CONTENTS


def test_one_that_was_written_as_a_stream() -> None:
    assert opened(zipped(CONTENTS[1:], seekable=False)) == CONTENTS[1:]


def test_folders_and_an_empty_archive_are_no_files() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.mkdir("a")
        archive.writestr("a/b", b"content")
    assert opened(out.getvalue()) == [b"content"]
    assert opened(zipped([])) == []


def test_files_that_nobody_reads_are_passed_by() -> None:
    for archive in (zipped(CONTENTS), zipped(CONTENTS[1:], seekable=False)):
        assert len(list(files_in(Trickle(archive), "", room()))) in (2, 3)


def test_stored_content_of_unsaid_length_is_refused_with_a_reason() -> None:
    with pytest.raises(BrokenArchive, match="without saying"):
        opened(zipped([b"content"], zipfile.ZIP_STORED, seekable=False))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_knows_no_measure_is_not_read(method: int) -> None:
    with pytest.raises(BrokenMember):
        opened(zipped([b"content"], method))


def test_a_locked_file_is_told_and_the_next_one_read() -> None:
    archive = bytearray(zipped([b"one", b"two"]))
    archive[6] |= 1
    files = list_of(archive)
    assert files == [unzipping.LOCKED, b"two"]


def list_of(archive: bytes | bytearray) -> list[bytes | str]:
    found: list[bytes | str] = []
    for file in files_in(Trickle(bytes(archive)), "", room()):
        try:
            found.append(read(file))
        except BrokenMember as why:
            found.append(str(why))
    return found


def test_a_wrong_checksum_is_seen_before_the_last_piece_counts() -> None:
    archive = bytearray(zipped([b"one", b"two"]))
    archive[14] ^= 1
    assert list_of(archive) == [unzipping.DIFFERS, b"two"]


def lying(change: Callable[[bytearray], None]) -> bytes:
    archive = bytearray(zipped([b"\0" * 100_000, b"two"]))
    change(archive)
    return bytes(archive)


def _smaller(archive: bytearray) -> None:
    struct.pack_into("<I", archive, 22, 10)


def _shorter(archive: bytearray) -> None:
    struct.pack_into("<I", archive, 18, 10)


def _longer(archive: bytearray) -> None:
    struct.pack_into("<I", archive, 18, 1 << 30)


@pytest.mark.parametrize("change", [_smaller, _shorter, _longer])
def test_sizes_that_lie_end_in_a_reason(change: Callable[[bytearray], None]) -> None:
    with pytest.raises((BrokenArchive, BrokenMember, EOFError)):
        opened(lying(change))


@pytest.mark.parametrize("cut", [5, 20, 31, 100, 270])
@pytest.mark.parametrize("seekable", [True, False])
def test_what_is_cut_is_broken(cut: int, seekable: bool) -> None:
    with pytest.raises((BrokenArchive, BrokenMember, EOFError)):
        opened(zipped([bytes(range(256))], seekable=seekable)[:cut])


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    packed = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(size >> 20)) + packer.flush()
    head = unzipping.HEAD.pack(unzipping.LOCAL, 20, 0, 8, 0, 0, 0, len(packed), 10, 1, 0)
    return head + b"x" + packed + b"PK\5\6" + bytes(18)


def test_a_bomb_is_stopped_at_the_bound_with_little_memory() -> None:
    archive = bomb(256 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            opened(archive, room(64 << 20))
        assert (
            tracemalloc.get_traced_memory()[1] < 80 << 20
        )  # what the test itself collects of it, and little more
    finally:
        tracemalloc.stop()


def test_archives_in_archives_stay_packed() -> None:
    inner = zipped([b"\0" * 1_000_000] * 16)
    assert opened(zipped([inner] * 16), room(8 << 20)) == [inner] * 16


def test_more_members_than_there_may_be() -> None:
    with pytest.raises(TooMuch):
        opened(zipped([b""] * 101), room(members=100))


@pytest.mark.parametrize("seed", range(300))
def test_a_broken_one_ends_in_a_reason_and_never_in_a_fault(seed: int) -> None:
    archive = bytearray(zipped([b"one" * 100, bytes(range(256))], seekable=seed % 2 == 0))
    archive[seed * 7 % len(archive)] ^= 1 << (seed % 8)
    swallow(bytes(archive))


def swallow(archive: bytes) -> None:
    try:
        for file in files_in(Trickle(archive), "", room(1 << 20)):
            with suppress(BrokenMember):
                read(file)
    except (BrokenArchive, EOFError, TooMuch):
        return
