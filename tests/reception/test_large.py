"""An image of any size: written while it still comes, in a bounded buffer, and never but clean."""

import errno
import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.network.door import Reply
from proxy.quarantine import keeping
from proxy.quarantine.models import HeldItem
from proxy.reception.held import Direct
from proxy.reception.sink import Receiving
from proxy.routing.match import RouteFacts
from proxy.storage import direct
from proxy.storage.files import Buffer, Staged
from proxy.studies.models import Instance
from proxy.vault import pseudonyms
from proxy.vault.models import Person
from tests import cast
from tests.aside import changed
from tests.reception.sending import command_for, encode, files

pytestmark = pytest.mark.django_db
MEGABYTE = 1 << 20
PIECE = 16_384


def large(megabytes: int = 8) -> Dataset:
    image = cast.ct(size=64)
    image.NumberOfFrames = megabytes * 128
    image.PixelData = image.PixelData * (megabytes * 128)
    return image


def feed(sink: Receiving, data: bytes) -> None:
    for at in range(0, len(data), PIECE):
        sink.feed(memoryview(data)[at : at + PIECE])


def sent(route: RouteFacts, data: bytes, image: Dataset) -> Reply:
    sink = Receiving(Direct(), route, None, command_for(image))
    feed(sink, data)
    return sink.finish()


def names_somebody(folder: Path) -> bool:
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return any(
        form in content for needle in cast.NEEDLES for form in cast.spellings(needle) for content in contents
    )


def original_of(item: HeldItem) -> bytes:
    person = Person.objects.get(project_id=item.project_id, pseudonym=item.patient)
    return b"".join(keeping.original(item.path, pseudonyms.known_by(person).unwrap))


def test_promise_2_a_large_image_is_in_its_file_before_it_is_whole(route: RouteFacts, data: Path) -> None:
    image = large()
    encoded = encode(image)
    sink = Receiving(Direct(), route, None, command_for(image))
    feed(sink, encoded[: 6 * MEGABYTE])
    [part] = files(data)
    assert part.endswith(".part") and (data / part).stat().st_size > 4 * MEGABYTE
    assert not names_somebody(data)  # what a power cut would leave
    feed(sink, encoded[6 * MEGABYTE :])
    assert sink.finish().status == 0
    stored = dcmread(data / "studies" / Instance.objects.get().path)
    assert stored.PixelData == image.PixelData
    assert Instance.objects.get().size == (data / "studies" / Instance.objects.get().path).stat().st_size


def test_a_large_image_costs_a_bounded_buffer(route: RouteFacts) -> None:
    image = large(48)
    encoded = encode(image)
    tracemalloc.start()
    try:
        assert sent(route, encoded, image).status == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MEGABYTE


def test_an_association_that_breaks_leaves_nothing(route: RouteFacts, data: Path) -> None:
    image = large()
    sink = Receiving(Direct(), route, None, command_for(image))
    feed(sink, encode(image)[: 5 * MEGABYTE])
    sink.abort()
    assert files(data) == []


def test_other_content_under_a_known_uid_is_held_whole(route: RouteFacts, data: Path) -> None:
    assert sent(route, encode(large()), large()).status == 0
    before = files(data / "studies")
    other = large()
    other.PixelData = bytes(len(other.PixelData))
    encoded = encode(other)
    assert sent(route, encoded, other).status == 0
    item = HeldItem.objects.get()
    assert item.code == "conflict"
    assert original_of(item) == encoded
    assert files(data / "studies") == before
    assert not names_somebody(data)


def test_what_stops_it_behind_the_pixels_stops_all_of_it(route: RouteFacts, data: Path) -> None:
    """A trailer in which more people stand than can be hunted; the file that was begun goes."""
    image = large()
    image.add_new(0x7FE10010, "LO", "ACME")
    encoded = encode(image) + b"".join(
        b"\xe1\x7f" + (0x1000 + number).to_bytes(2, "little") + b"XX\x04\x00abcd" for number in range(3)
    )
    assert sent(route, encoded, image).status != 0
    assert files(data) == []
    assert not Instance.objects.exists() and not HeldItem.objects.exists()


@pytest.mark.parametrize("megabytes", [1, 8])
def test_promise_1_the_end_for_which_an_image_is_held_is_never_written(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int
) -> None:
    image, written, write = large(megabytes), bytearray(), Staged.write

    def seen(staged: Staged, buffers: Sequence[Buffer]) -> int:
        written.extend(b"".join(buffers))
        return write(staged, buffers)

    monkeypatch.setattr(Staged, "write", seen)
    late = b"\x28\x00\x52\x10DS\x08\x001234.567"
    assert sent(route, encode(image) + late, image).status == 0
    assert original_of(HeldItem.objects.get()) == encode(image) + late
    assert written and b"1234.567" not in written
    assert files(data / "studies") == []


def test_the_same_large_image_again_is_as_once(route: RouteFacts, data: Path) -> None:
    for _ in range(2):
        assert sent(route, encode(large()), large()).status == 0
    assert len(files(data / "studies")) == 1
    assert (Instance.objects.count(), HeldItem.objects.count()) == (1, 0)


def test_promise_2_a_folder_that_cannot_be_synced_is_no_success(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, encoded = large(2), encode(large(2))

    def broken(_: Path) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("proxy.storage.files._sync_folders", broken)
        assert sent(route, encoded, image).status != 0
    assert not Instance.objects.exists()
    assert files(data) == []
    assert sent(route, encoded, image).status == 0


def test_promise_11_a_disk_that_fills_up_meanwhile_is_said(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = large()
    encoded = encode(image)
    sink = Receiving(Direct(), route, None, command_for(image))
    feed(sink, encoded[: 3 * MEGABYTE])

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(direct, "os", changed(os, write=full))
        feed(sink, encoded[3 * MEGABYTE :])
    assert sink.finish().status == 0xA700
    assert files(data) == []
    assert sent(route, encoded, image).status == 0
