"""The ZIP that goes out can be read by anybody, also where a file of it was taken back, and where it is large."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.service import packing
from proxy.service.archives import files_in
from proxy.service.packing import Zip
from proxy.service.sources import Room
from tests.service.sending import Trickle


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "out.zip", os.O_RDWR | os.O_CREAT)
    yield number
    os.close(number)


def content_of(handle: int) -> bytes:
    return os.pread(handle, 1 << 30, 0)


def add(zip_: Zip, name: str, pieces: list[bytes]) -> None:
    entry = zip_.begin()
    for piece in pieces:
        entry.writelines([piece, memoryview(piece), b""])
    entry.keep(name)


def test_every_reader_finds_what_was_kept(handle: int) -> None:
    zip_ = Zip(handle)
    large = bytes(range(256)) * 4_000
    add(zip_, "a/b.dcm", [b"small"])
    entry = zip_.begin()
    entry.writelines([large])
    entry.take_back()
    add(zip_, "c.dcm", [large, b"end"])
    add(zip_, "empty", [])
    entry = zip_.begin()
    entry.writelines([b"never kept"])
    entry.take_back()
    size = zip_.finish()
    content = content_of(handle)
    assert len(content) == size
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {one.filename: archive.read(one) for one in archive.infolist()} == {
            "a/b.dcm": b"small" * 2,
            "c.dcm": large * 2 + b"end" * 2,
            "empty": b"",
        }
    assert b"never kept" not in content
    assert [file.name for file in files_in(Trickle(content), "", Room(1 << 30, 9))] == [
        "a/b.dcm",
        "c.dcm",
        "empty",
    ]


def test_the_same_files_make_the_same_zip(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        handle = os.open(tmp_path / f"{number}", os.O_RDWR | os.O_CREAT)
        zip_ = Zip(handle)
        add(zip_, "a.dcm", [b"content"])
        zip_.finish()
        found.append(content_of(handle))
        os.close(handle)
    assert found[0] == found[1]


def test_one_without_members_is_one_too(handle: int) -> None:
    Zip(handle).finish()
    with zipfile.ZipFile(io.BytesIO(content_of(handle))) as archive:
        assert archive.namelist() == []


def test_large_places_and_sizes_have_their_eight_bytes(handle: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if four bytes held no more than a thousand: readers take sizes of eight bytes wherever they stand."""
    zip_ = Zip(handle)
    monkeypatch.setattr(packing, "MANY", 2)
    for number in range(5):
        add(zip_, f"{number}.dcm", [b"content"])
    zip_.finish()
    with zipfile.ZipFile(io.BytesIO(content_of(handle))) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 5


def test_a_place_behind_four_gigabytes(handle: int) -> None:
    """In a file with a hole: nothing of it is written."""
    zip_ = Zip(handle)
    add(zip_, "a.dcm", [b"content"])
    hole = 5 << 30
    zip_._at = hole
    add(zip_, "b.dcm", [b"behind"])
    size = zip_.finish()
    with os.fdopen(os.dup(handle), "rb") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("b.dcm") == b"behind" * 2
        assert archive.getinfo("b.dcm").header_offset == hole
    assert size > hole


def test_a_name_without_room_is_refused(handle: int) -> None:
    entry = Zip(handle).begin()
    with pytest.raises(ValueError, match="too long"):
        entry.keep("x" * packing.ROOM)
