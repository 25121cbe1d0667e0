"""Promise 11: what a backend sends costs us no more memory, disk or time than the bounds say, however it is packed."""

import gzip
import io
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.link import downloading, unpacking
from proxy.link.downloading import TOO_LARGE, TOO_SLOW, Bounds, Wanted, download
from proxy.link.unpacking import BROKEN, NOTHING_KNOWN, TOO_MANY, TOO_MUCH, unpack
from proxy.management.demo.backend.faults import Trickles
from proxy.storage import tarred
from tests.backend.platform import KEY, Answer, Platform
from tests.link.archives import tarred as packed
from tests.link.archives import zipped

BOUNDS = Bounds(4 << 20, 0)
IMAGE = b"\x00" * 128 + b"DICM" + b"rest"
ENDS = b"\0" * 2 * tarred.BLOCK


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % tarred.BLOCK)


def opened(folder: Path, content: bytes, bounds: Bounds = BOUNDS) -> object:
    archive = folder / "archive"
    archive.write_bytes(content)
    found = unpack(archive, folder, bounds)
    return [path.read_bytes() for path in found] if isinstance(found, list) else found


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE]
)
def test_a_header_that_swells_is_never_held_in_memory(tmp_path: Path, kind: bytes) -> None:
    """A gigabyte of name in a megabyte of archive went into memory as a whole."""
    out = io.BytesIO()
    with gzip.open(out, "wb", compresslevel=1) as stream:
        stream.write(header(kind, 64 << 20))
        for _ in range(64):
            stream.write(b"\0" * (1 << 20))
    tracemalloc.start()
    try:
        assert opened(tmp_path, out.getvalue()) is TOO_MUCH
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_sparse_maps_without_an_end_are_stopped(tmp_path: Path) -> None:
    sparse = header(tarfile.GNUTYPE_SPARSE, 8 << 20) + b"\1" * (8 << 20)
    assert opened(tmp_path, gzip.compress(sparse, 1)) is TOO_MUCH


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(tmp_path: Path, form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=form) as archive:
        for name in ("a.dcm", "Exämple/" * (1 if form == tarfile.USTAR_FORMAT else 20) + "b.dcm"):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(IMAGE), 1.5
            archive.addfile(info, io.BytesIO(IMAGE))
    assert opened(tmp_path, out.getvalue()) == [IMAGE, IMAGE]


def test_a_size_that_only_the_pax_header_knows(tmp_path: Path) -> None:
    size = f"{len(IMAGE)}"
    record = f"{len(size) + 9} size={size}\n".encode()
    whole = header(b"x", len(record)) + padded(record) + header(b"0", 0) + padded(IMAGE) + ENDS
    assert opened(tmp_path, gzip.compress(whole)) == [IMAGE]


def test_the_size_of_a_large_file_has_another_form() -> None:
    large = 9 << 30
    block = tarfile.TarInfo("x")
    block.size = large
    assert tarred._number(block.tobuf(tarfile.GNU_FORMAT)[124:136]) == large


@pytest.mark.parametrize("bounds", [BOUNDS])
def test_a_wrong_checksum_at_the_very_end_is_seen(tmp_path: Path, bounds: Bounds) -> None:
    whole = bytearray(packed({"a.dcm": IMAGE}))
    whole[-8:-4] = struct.pack("<I", 7)
    assert opened(tmp_path, bytes(whole), bounds) is BROKEN


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_know_no_measure_are_not_read(tmp_path: Path, method: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.dcm", IMAGE)
    assert opened(tmp_path, out.getvalue()) is NOTHING_KNOWN


def many_members(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number:08}", b"")
    return out.getvalue()


def too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 100)
    monkeypatch.setattr(unpacking, "PIECE", 1 << 12)


def too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LARGEST_DIRECTORY", 1 << 12)


@pytest.mark.parametrize("bound", [too_many, too_long])
def test_a_list_of_members_is_bounded_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: Callable[[pytest.MonkeyPatch], None]
) -> None:
    bound(monkeypatch)
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: pytest.fail("it was read"))
    assert opened(tmp_path, many_members(200)) is TOO_MANY


def test_what_is_sent_byte_by_byte_is_given_up(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We waited for a whole megabyte before we looked at the clock."""
    monkeypatch.setattr(
        downloading, "is_too_slow", lambda size, seconds: seconds > 1 and size < 100 * seconds
    )
    platform.answers["/api/v1/proxy/w1/sessions/s1/download"] = Answer(body=zipped({"a.dcm": IMAGE}) * 10)
    platform.server.fail(Trickles(0.1))
    began = time.monotonic()
    outcome = download(platform.url, KEY, Wanted("w1", "session", "s1"), tmp_path / "archive", BOUNDS)
    assert outcome is TOO_SLOW and time.monotonic() - began < 60
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_an_encoding_that_swells_on_the_way_costs_no_memory(
    platform: Platform, tmp_path: Path, times: int
) -> None:
    """We ask for no encoding; who sends one all the same, and one in the other, is read piece by piece."""
    body = b"\0" * (64 << 20)
    for _ in range(times):
        body = gzip.compress(body, 6)
    headers = {"Content-Encoding": ", ".join(["gzip"] * times)}
    platform.answers["/api/v1/proxy/w1/sessions/s1/download"] = Answer(body=body, headers=headers)
    tracemalloc.start()
    try:
        outcome = download(platform.url, KEY, Wanted("w1", "session", "s1"), tmp_path / "archive", BOUNDS)
        assert outcome is TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()
