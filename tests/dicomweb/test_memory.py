"""Whatever is asked for at once, pixels that are made take no more memory together than there is for them."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from proxy.api.problems import Problem
from proxy.dicomweb.giving import instances, memory, sources
from proxy.dicomweb.giving.forms import EXPLICIT
from proxy.dicomweb.giving.memory import Room, TooLarge
from proxy.dicomweb.giving.rendered import MOST_PIXELS, Look, Viewport, cost
from proxy.network.giving import Offer
from tests import cast
from tests.dicomweb.test_giving import Shelf, parts, shelf
from tests.dicomweb.test_pictures import saved

__all__ = ["shelf"]
OCTETS = 'multipart/related; type="application/octet-stream"'


def is_whole(room: Room) -> bool:
    """Nobody holds any of it."""
    with room.taking(room._size):
        return True


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Room:
    """Enough for nothing that is made."""
    return _room(monkeypatch, 1_000)


@pytest.fixture
def ample(monkeypatch: pytest.MonkeyPatch) -> Room:
    return _room(monkeypatch, 100 << 20)


def _room(monkeypatch: pytest.MonkeyPatch, size: int) -> Room:
    room = Room(size, within=0.05)
    monkeypatch.setattr(memory, "room", room)
    monkeypatch.setattr(sources, "room", room)
    return room


def test_what_is_taken_is_given_back_whatever_happens() -> None:
    room = Room(100, within=0.01)
    with pytest.raises(ValueError, match="broken"), room.taking(100):
        raise ValueError("broken")
    lease = room.lease(100)
    with pytest.raises(Problem) as busy, room.taking(1):
        pass
    assert (busy.value.status, busy.value.code) == (503, "busy")
    del lease
    assert is_whole(room)


def test_more_than_all_of_it_is_refused_at_once() -> None:
    with pytest.raises(TooLarge), Room(100, within=60).taking(101):
        pass


def test_whoever_waits_goes_on_when_there_is_some() -> None:
    room, entered = Room(100, within=30), threading.Event()

    def second() -> None:
        with room.taking(60):
            entered.set()

    with room.taking(60):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        assert not entered.is_set()
    thread.join(20)
    assert entered.is_set()


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["frames/1", "frames/1,1", "rendered", "thumbnail", "frames/1/rendered"])
@pytest.mark.parametrize("is_alone", [True, False])
def test_what_is_too_large_is_said_before_anything_is_made(
    shelf: Shelf, small: Room, form: str, is_alone: bool
) -> None:
    path = f"{shelf.path_of(shelf.rows()[0])}/{form}"
    kind = "image/jpeg" if "rendered" in form or form == "thumbnail" else "application/octet-stream"
    answer = shelf.get(path, kind if is_alone else f'multipart/related; type="{kind}"')
    assert answer.status_code == 406
    assert is_whole(small)


@pytest.mark.django_db
def test_all_of_it_is_free_when_an_answer_was_read(shelf: Shelf, ample: Room) -> None:
    path = shelf.path_of(shelf.rows()[0])
    for node in ("VIEWER", "WARD"):
        if node == "WARD":
            path = _original(shelf)
        for form, accept in (
            ("frames/1", OCTETS), ("frames/1", "application/octet-stream"), ("rendered", "image/png"),
            ("metadata", ""), ("bulkdata/7FE00010", "application/octet-stream"),
        ):  # fmt: skip
            answer = shelf.get(f"{path}/{form}", accept, node=node)
            assert answer.status_code == 200, (node, form)
            assert answer.getvalue()
            del answer
            assert is_whole(ample), (node, form)


def _original(shelf: Shelf) -> str:
    found = json.loads(shelf.get("instances", node="WARD").getvalue())[0]
    study, series, uid = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    return f"studies/{study}/series/{series}/instances/{uid}"


@pytest.mark.django_db
def test_a_single_frame_says_how_long_it_is(shelf: Shelf) -> None:
    path = shelf.path_of(shelf.rows()[0])
    answer = shelf.get(f"{path}/frames/1", "application/octet-stream")
    assert int(answer.headers["Content-Length"]) == len(answer.getvalue()) == 64 * 64 * 2
    assert len(parts(shelf.get(f"{path}/frames/1", OCTETS))) == 1


def offer_of(image: Any, folder: Path) -> Offer:
    saved(image, folder)
    meta = image.file_meta
    return Offer(image.SOPClassUID, image.SOPInstanceUID, meta.TransferSyntaxUID, folder / "one.dcm")


def test_an_image_that_is_made_explicit_is_counted_with_all_its_frames(tmp_path: Path) -> None:
    image = cast.ct()
    image.compress(RLELossless, generate_instance_uid=False)
    image.NumberOfFrames = 40_000
    offer = offer_of(image, tmp_path)
    assert instances._converting(offer) > 40_000 * 64 * 64 * 2


@pytest.mark.parametrize("size", [100, 1 << 20])
def test_a_deflated_image_is_counted_as_large_as_it_could_become(tmp_path: Path, size: int) -> None:
    path = tmp_path / "deflated.dcm"
    path.write_bytes(bytes(size))
    found = sources._in_memory(Offer("1.2", "1.3", DeflatedExplicitVRLittleEndian, path))
    assert found == min(size * 1_032, sources.LARGEST)
    assert sources._in_memory(Offer("1.2", "1.3", EXPLICIT, path)) == 0


@pytest.mark.parametrize(("samples", "photometric"), [(1, "MONOCHROME2"), (3, "RGB")])
@pytest.mark.parametrize("look", [Look(), Look(viewport=Viewport(5_792, 5_792))])
def test_there_is_room_for_the_largest_picture_that_is_drawn(
    tmp_path: Path, samples: int, photometric: str, look: Look
) -> None:
    image = cast.ct()
    image.Rows = image.Columns = 5_792
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = (
        samples,
        photometric,
        0,
    )
    image.BitsAllocated = image.BitsStored = 16 if samples == 1 else 8
    pictures = saved(image, tmp_path)
    assert image.Rows * image.Columns <= MOST_PIXELS
    assert cost(pictures, look) < memory.ALL
