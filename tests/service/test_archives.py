"""What a part of a request holds: a file, a ZIP, a tar or a tar.gz; links, devices and bombs are none of it."""

import gzip
import io
import tarfile
import tracemalloc

import pytest

from proxy.service.archives import files_in
from proxy.service.sources import Room
from proxy.service.troubles import TooMuch
from proxy.service.unzipping import BrokenArchive
from tests.service.sending import Trickle

IMAGE = bytes(128) + b"DICM" + b"rest" * 1_000


def tarred(
    names: dict[str, bytes], form: int = tarfile.PAX_FORMAT, links: dict[str, str] | None = None
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


def opened(content: bytes, size: int = 1 << 28, members: int = 1_000) -> list[tuple[str, bytes]]:
    found = []
    for file in files_in(Trickle(content, 5_000), "Exampleova.dcm", Room(size, members)):
        pieces = []
        while piece := file.content.read(3_000):
            pieces.append(bytes(piece))
        found.append((file.name, b"".join(pieces)))
    return found


def test_a_file_is_itself() -> None:
    assert opened(IMAGE) == [("Exampleova.dcm", IMAGE)]
    assert opened(b"") == [("Exampleova.dcm", b"")]
    assert opened(b"PK in the preamble".ljust(128) + b"DICM") == [
        ("Exampleova.dcm", b"PK in the preamble".ljust(128) + b"DICM")
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read_packed_or_not(form: int) -> None:
    archive = tarred({"a": IMAGE, "b" * 90: b"other"}, form)
    for content in (
        archive,
        gzip.compress(archive),
        gzip.compress(archive[:700]) + gzip.compress(archive[700:]),
    ):
        assert opened(content) == [("", IMAGE), ("", b"other")]


def test_links_and_names_that_climb_are_nothing_but_places_in_a_row() -> None:
    archive = tarred({"../../etc/passwd": b"x", "/root/.ssh/key": b"y"}, links={"link.dcm": "/etc/shadow"})
    assert opened(archive) == [("", b"x"), ("", b"y")]


def test_a_bomb_is_stopped_at_the_bound_with_little_memory() -> None:
    packed = gzip.compress(tarred({"a": bytes(64 << 20)}), 9)
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            opened(packed, size=8 << 20)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_a_header_without_end_is_stopped_as_well() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    packed = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20), 9)
    with pytest.raises(TooMuch):
        opened(packed, size=8 << 20)


def test_more_members_than_there_may_be() -> None:
    with pytest.raises(TooMuch):
        opened(tarred({f"{number}": b"" for number in range(101)}), members=100)


@pytest.mark.parametrize("cut", [600, 1_000, 3_000])
def test_what_is_cut_is_broken(cut: int) -> None:
    archive = tarred({"a": IMAGE, "b": IMAGE})
    for content in (archive[:cut], gzip.compress(archive)[: cut // 40], gzip.compress(archive[:cut])):
        with pytest.raises((BrokenArchive, EOFError)):
            opened(content)


def test_a_wrong_checksum_of_the_packing_is_seen() -> None:
    packed = bytearray(gzip.compress(tarred({"a": IMAGE})))
    packed[-6] ^= 1
    with pytest.raises(BrokenArchive):
        opened(bytes(packed))
