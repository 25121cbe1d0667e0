"""Downloads and archives of a stranger: bounded, and none of their names is used."""

import json
import time
from pathlib import Path

import pytest

from proxy.link.downloading import (
    AWAY,
    NEEDS_SUBJECT,
    NOT_OURS,
    STOPPED,
    TOO_LARGE,
    UNKNOWN,
    Bounds,
    Failed,
    Later,
    Wanted,
    download,
    is_too_slow,
)
from proxy.link.unpacking import BROKEN, LOCKED, NOTHING_KNOWN, TOO_MUCH, unpack
from tests.backend.platform import KEY, Answer, Platform
from tests.link.archives import tarred, zipped

BOUNDS = Bounds(1 << 20, 0)
WANTED = Wanted("w1", "session", "s1", "u1")
PATH = "/api/v1/proxy/w1/sessions/s1/download"
IMAGE = b"\x00" * 128 + b"DICM" + b"rest"


def fetched(platform: Platform, folder: Path, answer: Answer) -> Later | Failed | None:
    platform.answers[PATH] = answer
    return download(platform.url, KEY, WANTED, folder / "archive", BOUNDS)


def test_an_archive_comes_whole_and_the_key_in_its_header(platform: Platform, tmp_path: Path) -> None:
    body = bytes(range(256)) * 3000
    assert fetched(platform, tmp_path, Answer(body=body, is_chunked=True)) is None
    assert (tmp_path / "archive").read_bytes() == body
    assert "compression_format=zip" in platform.asked[0] and "subject_id=u1" in platform.asked[0]
    assert KEY not in platform.asked[0]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(404), UNKNOWN),
        (Answer(410), UNKNOWN),
        (Answer(403), NOT_OURS),
        (Answer(body=b"x" * 1000, cut_after=100), AWAY),
        (Answer(body=b"x" * 200_000, cut_after=100_000, is_chunked=True), AWAY),
        (Answer(body=b"x" * (BOUNDS.largest + 1)), TOO_LARGE),
        (Answer(body=b"x" * (BOUNDS.largest + 1), is_chunked=True), TOO_LARGE),
    ],
)
def test_each_trouble_is_an_outcome(
    platform: Platform, tmp_path: Path, answer: Answer, outcome: object
) -> None:
    assert fetched(platform, tmp_path, answer) is outcome


@pytest.mark.parametrize("status", [301, 302, 307, 401, 429, 500, 503])
def test_other_answers_are_tried_again_and_no_redirect_is_followed(
    platform: Platform, tmp_path: Path, status: int
) -> None:
    outcome = fetched(platform, tmp_path, Answer(status, headers={"Location": "/elsewhere"}))
    assert isinstance(outcome, Later) and str(status) in outcome.reason
    assert len(platform.asked) == 1


def test_half_an_archive_never_stands_in_its_place(platform: Platform, tmp_path: Path) -> None:
    assert fetched(platform, tmp_path, Answer(body=b"x" * 200_000, cut_after=100_000)) is AWAY
    assert not (tmp_path / "archive").exists()
    assert fetched(platform, tmp_path, Answer(body=b"whole")) is None
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["archive"]


@pytest.mark.parametrize("answer", [Answer(slow=30), Answer(body=b"x" * 100, slow=30)])
def test_who_is_told_to_stop_waits_for_nobody(platform: Platform, tmp_path: Path, answer: Answer) -> None:
    platform.answers[PATH] = answer
    began = time.monotonic()
    outcome = download(
        platform.url, KEY, WANTED, tmp_path / "archive", BOUNDS, lambda: time.monotonic() < began + 0.5
    )
    assert outcome is STOPPED and time.monotonic() - began < 10


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("subject", ["u9", 9])
def test_a_backend_that_wants_to_know_whose_session_it_is_is_asked_for_that(
    platform: Platform, tmp_path: Path, status: int, subject: object
) -> None:
    platform.answers[PATH] = Answer(status)
    platform.answers[f"{PATH}?subject_id={subject}"] = Answer(body=b"PK")
    platform.answers[PATH.removesuffix("/download")] = Answer(
        body=json.dumps({"subject_id": subject}).encode()
    )
    wanted = Wanted("w1", "session", "s1")
    assert download(platform.url, KEY, wanted, tmp_path / "archive", BOUNDS) is None
    assert (tmp_path / "archive").read_bytes() == b"PK"


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"subject_id": "../x"}', b'{"subject_id": null}'])
def test_one_that_does_not_tell_is_a_failure(platform: Platform, tmp_path: Path, said: bytes) -> None:
    platform.answers[PATH] = Answer(422)
    platform.answers[PATH.removesuffix("/download")] = Answer(body=said)
    wanted = Wanted("w1", "session", "s1")
    assert download(platform.url, KEY, wanted, tmp_path / "archive", BOUNDS) is NEEDS_SUBJECT


def test_a_trickle_is_given_up() -> None:
    assert not is_too_slow(1, 59) and is_too_slow(59_000, 61) and not is_too_slow(1 << 20, 61)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def opened(room: Path, content: bytes, bounds: Bounds = BOUNDS) -> object:
    archive = room / "archive"
    archive.write_bytes(content)
    return unpack(archive, room, bounds)


FILES = {
    "../../../evil.dcm": IMAGE,
    "/etc/evil.dcm": IMAGE,
    "Exampleova/Ada.dcm": IMAGE,
    "README.txt": b"hello",
}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_images_are_taken_out_under_names_of_our_own(room: Path, pack: object) -> None:
    assert callable(pack)
    images = opened(room, pack(FILES))
    assert isinstance(images, list) and [path.name for path in images] == [
        "000000.dcm",
        "000001.dcm",
        "000002.dcm",
    ]
    assert {path.read_bytes() for path in images} == {IMAGE}
    names = {path.name for path in room.parent.rglob("*") if path.is_file()}
    assert names == {"archive", *(path.name for path in images)}


def test_a_link_is_no_file(room: Path) -> None:
    images = opened(room, tarred({"a": IMAGE}, link="/etc/passwd"))
    assert isinstance(images, list) and len(images) == 1


def test_what_swells_is_stopped(room: Path) -> None:
    bomb = IMAGE + b"\x00" * (BOUNDS.largest * 4)
    for pack in (zipped, tarred):
        assert len(pack({"bomb": bomb})) < BOUNDS.largest
        assert opened(room, pack({"bomb": bomb})) is TOO_MUCH
    many = {str(number): IMAGE + b"\x00" * 300_000 for number in range(5)}
    assert opened(room, zipped(many)) is TOO_MUCH


def test_an_encrypted_member_is_said(room: Path) -> None:
    content = bytearray(zipped({"a": IMAGE}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1
    assert opened(room, bytes(content)) is LOCKED


@pytest.mark.parametrize("content", [b"", b"<html>", b"DICM" * 100])
def test_what_is_no_archive(room: Path, content: bytes) -> None:
    assert opened(room, content) is NOTHING_KNOWN


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_cut_or_changed_anywhere_is_no_surprise(room: Path, pack: object) -> None:
    assert callable(pack)
    whole = pack({"a": IMAGE + bytes(range(256)) * 8, "b": IMAGE})
    for at in range(4, len(whole), 7):
        outcome = opened(room, whole[:at])
        assert outcome is BROKEN or isinstance(outcome, list | Failed)
        changed = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        assert isinstance(opened(room, changed), list | Failed | Later)
