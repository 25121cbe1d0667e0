"""The archive of a delivery: whole or absent, the same bytes each time, made anew if it is not what it should be."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from proxy.deliveries.agents import archive, beside
from proxy.deliveries.outcomes import INTERRUPTED, TryLater
from proxy.deliveries.parcel import Parcel, Shelf
from tests.aside import changed
from tests.deliveries.agents.parcels import CT, EXPLICIT, PATIENT, SERIES, STUDY, items_in, parcel_of


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    return tmp_path / "data" / "archives"


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    return parcel_of(items_in(tmp_path / "store", 4), Shelf(tmp_path, make=True, as_zip=True))


def ready(parcel: Parcel, archives: Path, room: int = 0) -> Path:
    path = archive.ready(parcel, archives, room, lambda: True)
    assert isinstance(path, Path)
    return path


def test_it_holds_every_image_and_a_manifest_that_names_them(parcel: Parcel, archives: Path) -> None:
    path = ready(parcel, archives)
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        manifest = json.loads(found.read(archive.MANIFEST))
        contents = {name: found.read(name) for name in found.namelist() if name != archive.MANIFEST}
    assert {key: value for key, value in manifest.items() if key != "files"} == {
        "format": "postern-archive-1",
        "patient_id": PATIENT,
        "study_instance_uid": STUDY,
        "revision": 2,
        "images": 4,
        "series": 1,
        "bytes": sum(map(len, contents.values())),
    }
    assert list(contents) == [f"{PATIENT}/{STUDY}/{SERIES}/{item.uid}.dcm" for item in parcel.items]
    for item, entry in zip(parcel.items, manifest["files"], strict=True):
        content = item.path.read_bytes()
        assert contents[entry["name"]] == content
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert (entry["bytes"], entry["sop_instance_uid"]) == (len(content), item.uid)
        assert (entry["sop_class_uid"], entry["transfer_syntax_uid"]) == (CT, EXPLICIT)


def test_other_programs_read_it(parcel: Parcel, archives: Path) -> None:
    said = subprocess.run(
        ["python3", "-m", "zipfile", "-t", str(ready(parcel, archives))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Done testing" in said.stdout


def test_every_member_is_written_for_zip64(parcel: Parcel, archives: Path) -> None:
    """4.5 and 8-byte sizes (APPNOTE 4.4.3, 4.5.3), whatever the size: what is streamed is not known before."""
    whole = ready(parcel, archives).read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as found:
        for member in found.infolist():
            assert member.extract_version == 45
            name, extra = struct.unpack_from("<HH", whole, member.header_offset + 26)
            fields = whole[member.header_offset + 30 + name :][:extra]
            assert struct.unpack_from("<HH", fields) == (0x0001, 16)
    assert b"PK\x06\x06" in whole and b"PK\x06\x07" in whole  # the end of the directory, in 64 bits


def test_the_same_images_make_the_same_bytes(parcel: Parcel, archives: Path) -> None:
    first = ready(parcel, archives).read_bytes()
    archive.path_in(archives, parcel.delivery_id).unlink()
    assert ready(parcel, archives).read_bytes() == first


def test_an_intact_one_is_used_again(parcel: Parcel, archives: Path) -> None:
    path = ready(parcel, archives)
    made = path.stat()
    assert ready(parcel, archives).stat() == made


TEARS = ["cut", "bit in the middle", "bit in the manifest", "empty", "no zip", "other zip", "folder's"]


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_one_is_made_again(parcel: Parcel, archives: Path, tear: str) -> None:
    path = ready(parcel, archives)
    whole = path.read_bytes()
    if tear in {"other zip", "folder's"}:
        with zipfile.ZipFile(path, "w") as other:
            other.writestr(archive.MANIFEST, "[]" if tear == "other zip" else '{"files": 5}')
    else:
        middle = len(whole) // 3
        path.write_bytes(
            {
                "cut": whole[: len(whole) * 9 // 10],
                "bit in the middle": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
                "bit in the manifest": whole.replace(b"manifest.json", b"manifesT.json"),
                "empty": b"",
                "no zip": b"PK" * 500,
            }[tear]
        )
    assert ready(parcel, archives).read_bytes() == whole


def test_one_of_other_images_is_made_again(parcel: Parcel, archives: Path) -> None:
    """As after a restore of a backup, where a delivery's number may come a second time."""
    path = ready(parcel, archives)
    before = path.read_bytes()
    fewer = dataclasses.replace(parcel, items=parcel.items[:2])
    assert len(zipfile.ZipFile(ready(fewer, archives)).namelist()) == 3
    other = dataclasses.replace(parcel, study_uid="2.25.99")
    assert all("2.25.99" in name for name in zipfile.ZipFile(ready(other, archives)).namelist()[:-1])
    parcel.items[1].path.write_bytes(b"another length")
    assert ready(parcel, archives).read_bytes() != before


def test_a_missing_file_leaves_no_archive__promise_3(parcel: Parcel, archives: Path) -> None:
    parcel.items[2].path.unlink()
    assert archive.ready(parcel, archives, 0, lambda: True) == archive.GONE
    assert not list(archives.iterdir())


def test_a_stop_leaves_no_half_archive_and_blames_nobody(parcel: Parcel, archives: Path) -> None:
    turns = iter([True, True, False])
    assert archive.ready(parcel, archives, 0, lambda: next(turns)) == INTERRUPTED
    assert not list(archives.iterdir())


def test_without_room_nothing_is_begun(parcel: Parcel, archives: Path) -> None:
    assert archive.ready(parcel, archives, 1 << 60, lambda: True) == archive.NO_ROOM
    assert not list(archives.iterdir())


@pytest.mark.parametrize(
    ("number", "outcome"), [(errno.ENOSPC, archive.NO_ROOM), (errno.EIO, archive.NOT_WRITTEN)]
)
def test_a_disk_in_trouble_is_our_own_trouble(
    parcel: Parcel, archives: Path, monkeypatch: pytest.MonkeyPatch, number: int, outcome: object
) -> None:
    def broken(_: int) -> None:
        raise OSError(number, os.strerror(number))

    archives.mkdir(parents=True)
    monkeypatch.setattr(beside, "os", changed(os, fsync=broken))
    found = archive.ready(parcel, archives, 0, lambda: True)
    assert found == outcome
    assert isinstance(found, TryLater)
    assert not found.rests
    assert not list(archives.iterdir())


def test_names_that_are_no_names_are_refused(parcel: Parcel, archives: Path) -> None:
    odd = dataclasses.replace(parcel, study_uid="../up")
    assert archive.ready(odd, archives, 0, lambda: True) == archive.NO_NAME
    assert not archives.exists()
